"""The ingest service: pe.v1.Ingest over grpc.aio. Frames are taken as octets, so that what is stored is what came."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from pe_protos.v1 import report_pb2 as pb

from pe_collector import limits as bounds
from pe_collector.intake import Intake
from pe_collector.refusal import Reason, Refused
from pe_collector.store import Opened, StoreError

SERVICE, METHOD = "pe.v1.Ingest", "Deliver"
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
    Reason.BUSY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.STORAGE: grpc.StatusCode.UNAVAILABLE,
}


class Ingest:
    """Takes reports as streams of frames."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

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
            await self._intake.stream(hello, opened).run(context, self._intake.budget)
        except Refused as exc:
            await self._refuse(context, exc.reason, str(exc))
        except StoreError as exc:
            await self._refuse(context, Reason.STORAGE, str(exc))

    async def _open(self, context: grpc.aio.ServicerContext[bytes, pb.Receipt]) -> tuple[pb.Hello, Opened]:
        limits = self._intake.limits
        try:
            octets = await asyncio.wait_for(context.read(), limits.first_frame_s)
        except TimeoutError as exc:
            raise Refused(Reason.IDLE, f"no hello within {limits.first_frame_s:g} s") from exc
        if not isinstance(octets, bytes):
            raise Refused(Reason.MALFORMED, "the stream ended before a hello came")
        hello = bounds.read_hello(octets, limits)
        token_id = self._intake.check(hello.token)
        return hello, await self._intake.open(hello, context.peer(), token_id)

    async def _refuse(self, context: grpc.aio.ServicerContext[bytes, pb.Receipt], reason: Reason, message: str) -> None:
        self._intake.refusals.count(reason)
        await context.abort(_STATUS[reason], message)
