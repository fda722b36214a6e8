"""The one door of the gRPC side: every call shows a token before anything else happens, or ends here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from pe_collector import limits as bounds
from pe_collector.intake import Intake
from pe_collector.limits import Limits
from pe_collector.refusal import Reason, Refused
from pe_collector.roles import FORWARDERS, Role
from pe_collector.store import StoreError

STATUS = {
    Reason.NO_TOKEN: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_REVOKED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.TOKEN_ROLE: grpc.StatusCode.UNAUTHENTICATED,
    Reason.QUARANTINED: grpc.StatusCode.UNAUTHENTICATED,
    # An agent whose address changed meets this too; it tries again without the session.
    Reason.REPLAYED: grpc.StatusCode.ABORTED,
    Reason.FOREIGN_REPORT: grpc.StatusCode.PERMISSION_DENIED,
    Reason.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.GAP: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.TOO_MUCH: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.IDLE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.SLOW_READER: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.BUSY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.FLOOD: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.DISK_RESERVE: grpc.StatusCode.UNAVAILABLE,
    Reason.STORAGE: grpc.StatusCode.UNAVAILABLE,
}
# Told to the agent with the refusal, so that the crowd comes back when there may be room.
RETRY_AFTER_S = {Reason.BUSY: 5, Reason.FLOOD: 10, Reason.DISK_RESERVE: 30, Reason.STORAGE: 5}

Call = grpc.aio.ServicerContext[bytes, Any]
_Handler = Callable[[Any, Any], Awaitable[None]]


def _hello_token(octets: bytes, limits: Limits) -> str:
    return bounds.read_hello(octets, limits).token


def _parcel_token(octets: bytes, _limits: Limits) -> str:
    return bounds.read_parcel(octets).token


@dataclass(frozen=True, slots=True)
class Keyhole:
    """Where a call carries its token, and which roles it opens to."""

    token_of: Callable[[bytes, Limits], str]
    roles: tuple[Role, ...]


# Where each call carries its token in its first message. A call that is not here is not answered.
TOKENS: Mapping[str, Keyhole] = {
    "/pe.v1.Ingest/Deliver": Keyhole(_hello_token, (Role.INGEST,)),
    "/pe.v1.Ingest/Forward": Keyhole(_parcel_token, FORWARDERS),
}


class Admitted:
    """A call whose token is good; `first` is its first message, which was read already."""

    def __init__(self, call: Call, first: bytes, token_id: str) -> None:
        self._call = call
        self.first = first
        self.token_id = token_id

    async def read(self) -> object:
        """The message after the first, and so on."""
        return await self._call.read()

    async def write(self, message: Any, /) -> None:
        """Answer."""
        await self._call.write(message)

    def peer(self) -> str:
        """Who calls, in gRPC's words."""
        return str(self._call.peer())


class Door(grpc.aio.ServerInterceptor):
    """Lets calls in, counts those it does not, and turns refusals into statuses."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler behind its door; None, which gRPC answers with UNIMPLEMENTED."""
        handler: Any = await continuation(handler_call_details)
        keyhole = TOKENS.get(str(handler_call_details.method))
        if handler is None or keyhole is None:
            return None
        guarded: Any = grpc.stream_stream_rpc_method_handler(
            self._guarded(handler.stream_stream, keyhole),
            handler.request_deserializer,
            handler.response_serializer,
        )
        return guarded  # type: ignore[no-any-return]

    def _guarded(self, handler: _Handler, keyhole: Keyhole) -> _Handler:
        async def call(frames: Any, context: Call) -> None:
            try:
                await self._admit(handler, keyhole, frames, context)
            except Refused as exc:
                await self._refuse(context, exc.reason, str(exc))
            except StoreError as exc:
                await self._refuse(context, Reason.STORAGE, str(exc))

        return call

    async def _admit(self, handler: _Handler, keyhole: Keyhole, frames: Any, context: Call) -> None:
        peer, intake = str(context.peer()), self._intake
        intake.gate.knock(peer)
        first = await self._first(context)
        token_id = intake.admit(keyhole.token_of(first, intake.limits), peer, keyhole.roles)
        with intake.gate.session(peer, token_id):
            await handler(frames, Admitted(context, first, token_id))

    async def _first(self, context: Call) -> bytes:
        patience_s = self._intake.limits.first_frame_s
        try:
            # Not wait_for: that makes a task for each call.
            async with asyncio.timeout(patience_s):
                octets: object = await context.read()
        except TimeoutError as exc:
            raise Refused(Reason.IDLE, f"no hello within {patience_s:g} s") from exc
        if not isinstance(octets, bytes):
            raise Refused(Reason.MALFORMED, "the stream ended before a hello came")
        return octets

    async def _refuse(self, context: Call, reason: Reason, message: str) -> None:
        self._intake.refusals.count(reason)
        wait_s = RETRY_AFTER_S.get(reason)
        metadata = (("retry-after-s", str(wait_s)),) if wait_s else ()
        await context.abort(STATUS[reason], message, metadata)
