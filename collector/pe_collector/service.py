"""The ingest service: pe.v1.Ingest over grpc.aio. Frames are taken as octets, so that what is stored is what came."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import grpc
from pe_protos.v1 import report_pb2 as pb

from pe_collector import limits as bounds
from pe_collector.budget import Budget
from pe_collector.limits import Limits
from pe_collector.refusal import Reason, Refusals, Refused
from pe_collector.store import Arrived, Opened, StoreError, Writer, open_report
from pe_collector.stream import Stream
from pe_collector.tokens import check_token

SERVICE, METHOD = "pe.v1.Ingest", "Deliver"
ALL_IN_FLIGHT_OCTETS = 64 * 1024 * 1024
_STATUS = {
    Reason.NO_TOKEN: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_REVOKED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.FOREIGN_REPORT: grpc.StatusCode.PERMISSION_DENIED,
    Reason.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.GAP: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.TOO_MUCH: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.IDLE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.STORAGE: grpc.StatusCode.UNAVAILABLE,
}


class Ingest:
    """Takes reports. `reader` is used from the event loop's thread only, for one short query a stream."""

    def __init__(
        self,
        writer: Writer,
        reader: sqlite3.Connection,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.refusals = Refusals()
        self._writer = writer
        self._reader = reader
        self._limits = limits
        self._now_s = now_s
        self._budget = Budget(ALL_IN_FLIGHT_OCTETS)

    def handler(self) -> grpc.GenericRpcHandler:
        """What a grpc.aio server is given."""
        deliver: Any = grpc.stream_stream_rpc_method_handler(
            self.deliver, response_serializer=pb.Receipt.SerializeToString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: deliver})

    async def deliver(self, _frames: Any, context: grpc.aio.ServicerContext[bytes, pb.Receipt]) -> None:
        """One stream, one report."""
        try:
            hello, opened = await self._open(context)
            stream = Stream(hello.report_id, opened, self._writer, self._limits)
            await stream.run(context, self._budget)
        except Refused as exc:
            await self._refuse(context, exc.reason, str(exc))
        except StoreError as exc:
            await self._refuse(context, Reason.STORAGE, str(exc))

    async def _open(self, context: grpc.aio.ServicerContext[bytes, pb.Receipt]) -> tuple[pb.Hello, Opened]:
        try:
            octets = await asyncio.wait_for(context.read(), self._limits.first_frame_s)
        except TimeoutError as exc:
            raise Refused(Reason.IDLE, f"no hello within {self._limits.first_frame_s:g} s") from exc
        if not isinstance(octets, bytes):
            raise Refused(Reason.MALFORMED, "the stream ended before a hello came")
        hello = bounds.read_hello(octets, self._limits)
        now_s = self._now_s()
        token_id = check_token(self._reader, hello.token, now_s)
        hello.ClearField("token")
        arrived = Arrived(hello, context.peer(), token_id, now_s)
        opened = await asyncio.wrap_future(self._writer.run(lambda connection: open_report(connection, arrived)))
        return hello, opened

    async def _refuse(self, context: grpc.aio.ServicerContext[bytes, pb.Receipt], reason: Reason, message: str) -> None:
        self.refusals.count(reason)
        await context.abort(_STATUS[reason], message)
