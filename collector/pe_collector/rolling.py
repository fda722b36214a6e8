"""Who counts the hours that are over while the collector serves? A thread, one for all collectors before a database."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from pe_agent.errors import PeError

from pe_collector.store import Writer, open_reader
from pe_collector.store.database import Task, turn
from pe_collector.store.folding import fold

# So that counting never takes more than a fiftieth of a processor from those who deliver.
EVERY_S, SPENT_S, REST = 60.0, 0.5, 50.0
_log = logging.getLogger(__name__)


class Rolling:
    """Counts hours every `every_s` seconds, less often where a day takes long; the writing is the one writer's."""

    def __init__(self, path: Path, writer: Writer, every_s: float = EVERY_S) -> None:
        self._path = path
        self._writer = writer
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="rolling", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the day that is being counted."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        wait_s = self._every_s
        while not self._stopping.wait(wait_s):
            began_s = time.monotonic()
            try:
                with turn(self._path, Task.ROLLING) as mine:
                    if mine:
                        self._fold()
            except (OSError, PeError, sqlite3.Error) as exc:
                _log.warning("no hours were counted this time: %s", exc)
            wait_s = max(self._every_s, REST * (time.monotonic() - began_s))

    def _fold(self) -> None:
        with closing(open_reader(self._path)) as reader:
            step = fold(reader, time.time(), SPENT_S)
        self._writer.run(step).result()
