"""What every way of delivery shares: who may send, where a report goes on, how much may be under way."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from pe_protos.v1 import report_pb2 as pb

from pe_collector.answers import AnswerDesk, Waiting
from pe_collector.budget import Budget
from pe_collector.connection import Connection
from pe_collector.gate import Gate, GateLimits
from pe_collector.limits import Limits
from pe_collector.redaction import ReportRedaction
from pe_collector.refusal import Reason, Refusals, Refused
from pe_collector.reserve import Reserve, Room
from pe_collector.roles import Role
from pe_collector.sessions import Sessions
from pe_collector.store import Arrived, Opened, Writer
from pe_collector.stream import Beginning, Put, Stream
from pe_collector.tokens import check_token, good_token

ALL_IN_FLIGHT_OCTETS = 64 * 1024 * 1024
# Messages that came and wait for room in it.
ALL_HELD_OCTETS = 192 * 1024 * 1024


@dataclass(slots=True)
class Intake:
    """Belongs to one event loop. `reader` is used from its thread only, for one short query a report."""

    writer: Writer
    reader: Connection
    reserve: Reserve
    redaction_key: bytes = field(default_factory=lambda: os.urandom(32))
    limits: Limits = field(default_factory=Limits)
    now_s: Callable[[], float] = time.time
    refusals: Refusals = field(default_factory=Refusals)
    desk: AnswerDesk = field(default_factory=AnswerDesk)
    gate: Gate = field(default_factory=lambda: Gate(GateLimits()))
    sessions: Sessions = field(default_factory=Sessions)
    budget: Budget = field(default_factory=lambda: Budget(ALL_IN_FLIGHT_OCTETS, ALL_HELD_OCTETS))

    def admit(self, token: str, peer: str, roles: Collection[Role] = (Role.INGEST,)) -> str:
        """The id of a token that is good now; a wrong one counts against where it came from.

        Raises:
            Refused: it is not.
        """
        try:
            return check_token(self.reader, token, self.now_s(), roles)
        except Refused:
            self.gate.wrong(peer)
            raise

    def is_leaf(self, token_id: str) -> bool:
        """Whether a token is a leaf's.

        Raises:
            Refused: it is not good any more.
        """
        return good_token(self.reader, token_id, self.now_s()).role is Role.LEAF

    async def open(self, hello: pb.Hello, peer: str, token_id: str) -> Beginning:
        """Find the report, or let it begin with its first frames; the hello loses its token.

        Raises:
            Refused: the report was begun under another token.
            StoreError: the disk does not take it.
        """
        if self.reserve.room() is Room.NOTHING:
            raise Refused(Reason.DISK_RESERVE, "the collector's disk is full; nothing is taken")
        hello.ClearField("token")
        hello.ClearField("session")
        arrived = Arrived(hello, peer, token_id, self.now_s())
        if not self._is_there(arrived.report_id):
            return Beginning(Opened(0, 0, complete=False), arrived)
        waiting: Waiting[Opened]
        opened: asyncio.Future[Opened]
        waiting, opened = self.desk.future()
        self.writer.bring(waiting, tuple, arrived)
        return Beginning(await opened)

    def _is_there(self, report_id: str) -> bool:
        return self.reader.execute("SELECT 1 FROM report WHERE report_id=?", (report_id,)).fetchone() is not None

    def stream(self, hello: pb.Hello, beginning: Beginning) -> Stream:
        """What takes the frames of an open report."""
        put = Put(self.writer, self.desk, self.reserve, self.now_s)
        return Stream(hello.report_id, beginning, put, self.limits, ReportRedaction(self.redaction_key))
