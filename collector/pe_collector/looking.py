"""Who looks for patterns while the collector serves? A process of its own every so often, never the ingest path."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

from pe_agent.errors import PeError

from pe_collector.store import Writer, open_reader
from pe_collector.store.database import Task, turn

_GIVE_UP_S = 300.0
_STEP_S = 0.2
_log = logging.getLogger(__name__)


class Looking:
    """Looks for patterns every `every_s` seconds while something came; the result goes through the one writer."""

    def __init__(self, path: Path, writer: Writer, every_s: float) -> None:
        self._path = path
        self._writer = writer
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="looking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a look under way is given up."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                with turn(self._path, Task.LOOKING) as mine:
                    if mine and self._is_new():
                        self._look()
            except (OSError, PeError, ValueError, sqlite3.Error) as exc:
                _log.warning("no look for patterns this time: %s", exc)

    def _is_new(self) -> bool:
        from pe_collector.findings.shown import is_new  # noqa: PLC0415 - numpy need not be loaded before it is needed

        with closing(open_reader(self._path)) as connection:
            last = connection.execute("SELECT at_s FROM pattern_look").fetchone()
            # Of several collectors before one database another may just have looked.
            just_now = last is not None and abs(time.time() - last["at_s"]) < self._every_s / 2
            return not just_now and is_new(connection)

    def _look(self) -> None:
        from pe_collector.findings.live import noted_from_json, storing  # noqa: PLC0415

        command = [sys.executable, "-m", "pe_collector.findings", str(self._path), repr(time.time())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            answer = self._answer_of(child)
        if child.returncode == 0 and answer is not None:
            self._writer.run(storing(noted_from_json(answer), served=True)).result()

    def _answer_of(self, child: subprocess.Popen[bytes]) -> str | None:
        """What it prints; None when the collector stops first or it takes too long."""
        until_s = time.monotonic() + _GIVE_UP_S
        while not self._stopping.is_set() and time.monotonic() < until_s:
            try:
                out, errors = child.communicate(timeout=_STEP_S)
            except subprocess.TimeoutExpired:
                continue
            if child.returncode:
                _log.warning("a look for patterns failed: %s", errors.decode(errors="replace")[-500:])
            return out.decode()
        child.kill()
        child.communicate()
        return None
