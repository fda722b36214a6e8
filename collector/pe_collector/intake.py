"""What every way of delivery shares: who may send, where a report goes on, how much may be under way."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pe_protos.v1 import report_pb2 as pb

from pe_collector.budget import Budget
from pe_collector.limits import Limits
from pe_collector.redaction import ReportRedaction
from pe_collector.refusal import Refusals
from pe_collector.store import Arrived, Opened, Writer, open_report
from pe_collector.stream import Stream
from pe_collector.tokens import check_token

ALL_IN_FLIGHT_OCTETS = 64 * 1024 * 1024


@dataclass(slots=True)
class Intake:
    """Belongs to one event loop. `reader` is used from its thread only, for one short query a report."""

    writer: Writer
    reader: sqlite3.Connection
    redaction_key: bytes = field(default_factory=lambda: os.urandom(32))
    limits: Limits = field(default_factory=Limits)
    now_s: Callable[[], float] = time.time
    refusals: Refusals = field(default_factory=Refusals)
    budget: Budget = field(default_factory=lambda: Budget(ALL_IN_FLIGHT_OCTETS))

    def check(self, token: str) -> str:
        """The id of a token that is good now.

        Raises:
            Refused: it is not.
        """
        return check_token(self.reader, token, self.now_s())

    async def open(self, hello: pb.Hello, peer: str, token_id: str) -> Opened:
        """Make the report's row, or find it; the hello loses its token.

        Raises:
            Refused: the report was begun under another token.
            StoreError: the disk does not take it.
        """
        hello.ClearField("token")
        arrived = Arrived(hello, peer, token_id, self.now_s())
        return await asyncio.wrap_future(self.writer.run(lambda connection: open_report(connection, arrived)))

    def stream(self, hello: pb.Hello, opened: Opened) -> Stream:
        """What takes the frames of an open report."""
        return Stream(hello.report_id, opened, self.writer, self.limits, ReportRedaction(self.redaction_key))
