"""Who passes reports on? A thread with one stream to a hub; what is acknowledged there is noted here."""

from __future__ import annotations

import logging
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from pe_agent.errors import PeError
from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection
from pe_collector.leaf.hubs import Hubs
from pe_collector.leaf.link import Away, Link, away
from pe_collector.leaf.outbox import REFUSED, Due, Noted, due, noting, parcels_of
from pe_collector.leaf.shedding import Shed, shed_some
from pe_collector.store import Writer, open_reader, waiting
from pe_collector.store.database import Task, turn

AT_ONCE = 64
# Of what was there before reports were passed on; read without a lock, added a little at a time.
ADDED_AT_ONCE = 500
BEGIN_EVERY_S = 600.0
SHED_EVERY_S = 15.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
_METHOD = "/pe.v1.Ingest/Forward"
_log = logging.getLogger(__name__)


class Passing:
    """Passes reports on until it is closed. `now_s` is the clock for what is noted."""

    def __init__(
        self, path: Path, writer: Writer, hubs: Hubs, poll_s: float = 1.0, now_s: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._writer = writer
        self._hubs = hubs
        self._poll_s = poll_s
        self._now_s = now_s
        self._stopping = threading.Event()
        self._call: Any = None
        self._begun_at: float | None = None
        self._shed_at = 0.0
        self._at_once = AT_ONCE
        self._said = ""
        self._worked = False
        self._thread = threading.Thread(target=self._work, name="passing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what is not acknowledged yet goes the next time."""
        self._stopping.set()
        if (call := self._call) is not None:
            call.cancel()
        self._thread.join()

    def _work(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s * random.uniform(0.5, 1.0)):  # noqa: S311 - spreads a crowd
            try:
                with turn(self._path, Task.PASSING) as mine:
                    if mine:
                        self._begin()
                    wait_s = self._to_all(wait_s) if mine else self._poll_s
            except (OSError, PeError, sqlite3.Error) as exc:
                self._say(f"nothing is passed on now: {exc}")
                wait_s = LONGEST_WAIT_S

    def _to_all(self, waited_s: float) -> float:
        """Speak with the first hub that is there; how long to wait before the next try."""
        asked_s, self._worked = 0.0, False
        for address in self._hubs.addresses:
            try:
                self._to(address)
            except Away as exc:
                if self._stopping.is_set():
                    return 0.0
                self._say(f"hub {address}: {exc}")
                asked_s = max(asked_s, exc.wait_s)
        self._shed()
        again_s = FIRST_WAIT_S if self._worked else min(LONGEST_WAIT_S, max(FIRST_WAIT_S, waited_s * 2))
        return max(asked_s, again_s)

    def _to(self, address: str) -> None:
        """One stream, for as long as it lasts."""
        parcels: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._hubs.channel(address) as channel:
            call: Any = channel.stream_stream(_METHOD, response_deserializer=pb.ParcelReceipt.FromString)
            self._call = receipts = call(iter(parcels.get, None))
            try:
                self._pass_on(Link(parcels, receipts, self._hubs.token), address)
            finally:
                parcels.put(None)
                receipts.cancel()
                self._call = None

    def _pass_on(self, stream: Link, address: str) -> None:
        while not self._stopping.is_set():
            reports = self._send_some(stream)
            if noted := stream.answered():
                self._note(noted)
                self._at_once = AT_ONCE
                self._worked = True
                self._say(f"hub {address}: takes what is passed on", bad=False)
            if len(reports) < self._at_once:
                self._begin()
                self._shed()
                self._stopping.wait(self._poll_s)

    def _send_some(self, stream: Link) -> list[Due]:
        with closing(open_reader(self._path)) as connection:
            reports = due(connection, self._at_once)
            try:
                for report in reports:
                    stream.send(report, parcels_of(connection, report))
                stream.rest()
            except grpc.RpcError as exc:
                self._blame(reports, stream, gone := away(exc))
                raise gone from exc
            except Away:
                self._note(stream.answered())
                raise
        return reports

    def _blame(self, reports: list[Due], stream: Link, gone: Away) -> None:
        """A report that breaks the hub's rules must not hold up the others: it is found by sending one at a time."""
        self._note(stream.answered())
        if not gone.poison:
            return
        if len(reports) == 1:
            self._note([Noted(reports[0].report_id, reports[0].through, REFUSED, str(gone))])
            self._at_once = AT_ONCE
        else:
            self._at_once = 1

    def _note(self, noted: list[Noted]) -> None:
        if noted:
            for one in noted:
                if one.state == REFUSED:
                    _log.warning("report %s is not taken by the hub: %s", one.report_id, one.reason)
            self._writer.run(noting(noted, self._now_s())).result()

    def _begin(self) -> None:
        """Let wait what is to be passed on; again at times: a collector that passes nothing on may have ended it."""
        now_s = time.monotonic()
        if self._begun_at is not None and now_s - self._begun_at < BEGIN_EVERY_S:
            return
        if not self._writer.run(waiting.begin).result():
            after = ""
            with closing(open_reader(self._path)) as reader:
                while (report_ids := waiting.missing(reader, after, ADDED_AT_ONCE)) and not self._stopping.is_set():
                    self._writer.run(partial(waiting.add, report_ids=report_ids)).result()
                    after = report_ids[-1]
            if not self._stopping.is_set():
                self._writer.run(waiting.filled).result()
        self._begun_at = now_s

    def _shed(self) -> None:
        """Keep what waits within the budget."""
        now_s = time.monotonic()
        if now_s - self._shed_at < SHED_EVERY_S and self._shed_at:
            return
        self._shed_at = now_s
        while not self._stopping.is_set():
            shed: Shed = self._writer.run(self._shedding).result()
            if not shed.times:
                return
            _log.warning("the hub is away for too long: %d x %s (%d octets) let go", shed.times, shed.what, shed.octets)

    def _shedding(self, connection: Connection) -> Shed:
        return shed_some(connection, self._hubs.budget_octets, self._now_s())

    def _say(self, said: str, *, bad: bool = True) -> None:
        """Once, until there is something else to say."""
        if said != self._said:
            self._said = said
            _log.log(logging.WARNING if bad else logging.INFO, "%s", said)
