"""Who looks for patterns while the collector serves? A process of its own, never the ingest path.

It stays between looks and keeps what it has read; should it end or hang, the next look begins another.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

from pe_agent.errors import PeError

from pe_collector.store import Writer, open_reader
from pe_collector.store.database import Task, turn

_GIVE_UP_S = 300.0
_STEP_S = 0.2
_MOST_SAID = 500
_log = logging.getLogger(__name__)


class Looking:
    """Looks for patterns every `every_s` seconds while something came; the result goes through the one writer."""

    def __init__(self, path: Path, writer: Writer, every_s: float) -> None:
        self._path = path
        self._writer = writer
        self._every_s = every_s
        self._looker: Looker | None = None
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
                self._let_go()
        self._let_go()

    def _is_new(self) -> bool:
        from pe_collector.findings.shown import is_new  # noqa: PLC0415 - numpy need not be loaded before it is needed

        with closing(open_reader(self._path)) as connection:
            last = connection.execute("SELECT at_s FROM pattern_look").fetchone()
            # Of several collectors before one database another may just have looked.
            just_now = last is not None and abs(time.time() - last["at_s"]) < self._every_s / 2
            return not just_now and is_new(connection)

    def _look(self) -> None:
        from pe_collector.findings.live import noted_from_json, storing  # noqa: PLC0415

        if self._looker is None:
            self._looker = Looker(self._path)
        answer = self._answer_of(self._looker)
        if answer:
            self._writer.run(storing(noted_from_json(answer), served=True)).result()
        else:
            self._let_go()

    def _answer_of(self, looker: Looker) -> str:
        """What it says; nothing when the collector stops first, it takes too long, or it has ended."""
        looker.ask(time.time())
        until_s = time.monotonic() + _GIVE_UP_S
        while not self._stopping.is_set() and time.monotonic() < until_s:
            answer = looker.answer(_STEP_S)
            if answer is not None:
                return answer
        return ""

    def _let_go(self) -> None:
        if self._looker is not None:
            errors = self._looker.close()
            self._looker = None
            if errors and not self._stopping.is_set():
                _log.warning("a look for patterns failed: %s", errors)


class Looker:
    """The process that looks, and what it says."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "pe_collector.findings", str(path)]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is, closed with it
        self._child = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=self._errors)
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="looker", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._child.stdout or ():
            self._answers.put(line)
        self._answers.put(b"")

    def ask(self, now_s: float) -> None:
        """Let it look; the answer comes later.

        Raises:
            OSError: it has ended.
        """
        if self._child.stdin is not None:
            self._child.stdin.write(f"{now_s!r}\n".encode())
            self._child.stdin.flush()

    def answer(self, within_s: float) -> str | None:
        """What it found; empty when it has ended, None when it says nothing in that time."""
        try:
            return self._answers.get(timeout=within_s).decode()
        except queue.Empty:
            return None

    def close(self) -> str:
        """End it, whatever it does; the end of what it complained of."""
        self._child.kill()
        with self._child, self._errors:
            self._child.wait()
            self._reader.join()
            self._errors.seek(0)
            return self._errors.read().decode(errors="replace")[-_MOST_SAID:]
