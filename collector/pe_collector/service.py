"""The ingest service: pe.v1.Ingest over grpc.aio. Frames are taken as octets, so that what is stored is what came."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
from pe_protos.v1 import report_pb2 as pb

from pe_collector import limits as bounds
from pe_collector.budget import Bucket, Rate
from pe_collector.door import Admitted
from pe_collector.forward import Forwarding
from pe_collector.intake import Intake
from pe_collector.limits import Limits
from pe_collector.refusal import Reason, Refused
from pe_collector.sessions import Claim, Session

SERVICE = "pe.v1.Ingest"


class Ingest:
    """Takes reports as streams of frames."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def handler(self) -> grpc.GenericRpcHandler:
        """What a grpc.aio server is given."""
        deliver: Any = grpc.stream_stream_rpc_method_handler(
            self.deliver, response_serializer=pb.Receipt.SerializeToString
        )
        forward: Any = grpc.stream_stream_rpc_method_handler(
            self.forward, response_serializer=pb.ParcelReceipt.SerializeToString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Deliver": deliver, "Forward": forward})

    async def forward(self, _parcels: Any, context: Admitted) -> None:
        """One stream, many reports."""
        await Forwarding(self._intake, context).run()

    async def deliver(self, _frames: Any, context: Admitted) -> None:
        """One stream, one report."""
        hello = bounds.read_hello(context.first, self._intake.limits)
        claim = Claim(hello.report_id, context.token_id, context.peer(), hello.session)
        session = self._intake.sessions.begin(claim)
        try:
            opened = await self._intake.open(hello, context.peer(), context.token_id)
            await self._intake.stream(hello, opened).run(
                Held(context, session, self._intake.limits), self._intake.budget
            )
        finally:
            self._intake.sessions.end(session)


class Held:
    """A stream whose session holds its report: it is paced, and its first receipt carries the session."""

    def __init__(self, context: Admitted, session: Session, limits: Limits) -> None:
        self._context = context
        self._session = session
        self._limits = limits
        self._word = session.word
        self._bucket = Bucket(Rate(limits.octets_per_s, limits.octets), time.monotonic())

    async def read(self) -> object:
        """The next frame, later when too much came too fast.

        Raises:
            Refused: another session has taken over.
        """
        octets = await self._context.read()
        now_s = time.monotonic()
        self._session.heard(now_s)
        if isinstance(octets, bytes) and (wait_s := self._bucket.take(len(octets), now_s)):
            await asyncio.sleep(wait_s)
        return octets

    async def write(self, receipt: pb.Receipt, /) -> None:
        """Say what is stored.

        Raises:
            Refused: the other side does not take it.
        """
        receipt.session, self._word = self._word, b""
        try:
            async with asyncio.timeout(self._limits.slow_reader_s):
                await self._context.write(receipt)
        except TimeoutError as exc:
            raise Refused(Reason.SLOW_READER, f"no receipt was taken for {self._limits.slow_reader_s:g} s") from exc
