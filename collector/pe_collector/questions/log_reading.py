"""Who makes logs searchable while the collector serves? A thread that reads a little every so often."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from pe_agent.errors import PeError

from pe_collector.questions.log_lines import catch_up
from pe_collector.store import Writer, open_reader
from pe_collector.store.database import Task, turn

# So that reading never takes more than a fiftieth of a processor from those who deliver.
EVERY_S, SPENT_S = 10.0, 0.2
_log = logging.getLogger(__name__)


class LogReading:
    """Reads logs that wait, for `SPENT_S` every `every_s` seconds; their lines go through the one writer."""

    def __init__(self, path: Path, writer: Writer, every_s: float = EVERY_S) -> None:
        self._path = path
        self._writer = writer
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="log-reading", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the log that is being read."""
        self._stopping.set()
        self._thread.join()

    def _read(self) -> None:
        with closing(open_reader(self._path)) as reader:
            step = catch_up(reader, time.time(), SPENT_S)
        self._writer.run(step).result()

    def _work(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                with turn(self._path, Task.LOG_READING) as mine:
                    if mine:
                        self._read()
            except (OSError, PeError, sqlite3.Error) as exc:
                _log.warning("no logs were made searchable this time: %s", exc)
