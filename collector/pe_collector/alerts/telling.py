"""Who tells? A thread of its own while the collector serves; it writes through the one writer."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from pe_agent.errors import PeError

from pe_collector.alerts import queue
from pe_collector.alerts.channels import Channel
from pe_collector.alerts.webhook import NotTold
from pe_collector.store import Writer, open_reader
from pe_collector.store.database import Task, turn

EVERY_S = 5.0
_log = logging.getLogger(__name__)


class Telling:
    """Tells what is due every `every_s` seconds. An alert is settled only after its receiver took it."""

    def __init__(self, path: Path, writer: Writer, channels: Sequence[Channel], every_s: float = EVERY_S) -> None:
        self._path = path
        self._writer = writer
        self._channels = {channel.name: channel for channel in channels}
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="telling", daemon=True)
        if channels:
            self._thread.start()

    def close(self) -> None:
        """Stop; one alert under way is waited for, so that it is not told twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                with turn(self._path, Task.TELLING) as mine:
                    if mine:
                        self.tell_due(time.time)
            except (PeError, sqlite3.Error) as exc:
                _log.warning("no alerts this time: %s", exc)

    def tell_due(self, now_s: Callable[[], float]) -> None:
        """Queue what is new, then try each alert whose time has come once.

        Raises:
            StoreError: the queue cannot be read or written.
        """
        names = tuple(self._channels)
        self._writer.run(partial(queue.enqueue, channels=names, now_s=now_s())).result()
        with closing(open_reader(self._path)) as connection:
            waiting = queue.due(connection, names, now_s())
        for one in waiting:
            if self._stopping.is_set():
                return
            self._tell(one, now_s)

    def _tell(self, one: queue.Due, now_s: Callable[[], float]) -> None:
        if one.muted:
            self._writer.run(partial(queue.settle, key=one.key, outcome="muted", now_s=now_s())).result()
            return
        try:
            self._channels[one.channel].tell(one.alert)
        except NotTold as exc:
            _log.warning("alert %s: %s", one.alert["id"], exc)
            self._writer.run(partial(queue.postpone, one=one, error=str(exc), now_s=now_s())).result()
        else:
            self._writer.run(partial(queue.settle, key=one.key, outcome="told", now_s=now_s())).result()
