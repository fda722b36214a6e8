"""Whole reports by HTTPS: the same frames, checks and acknowledgement as the stream, for agents without gRPC.

Write-only: one path, one method, nothing to read. The answer comes after the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pe_agent import wire
from pe_agent.bundle import BundleStream
from pe_agent.errors import DecodeError
from pe_agent.model import receipt_code
from pe_protos.v1 import report_pb2 as pb
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pe_collector import limits as bounds
from pe_collector.intake import Intake
from pe_collector.refusal import Reason, Refused
from pe_collector.sessions import Claim
from pe_collector.store import StoreError

PATH = "/v1/reports"
BUNDLE_TYPE, JSON_TYPE = "application/vnd.pe-report", "application/x-ndjson"
MOST_AT_ONCE = 64
# A line of JSON is held whole and costs several times its size while it is read.
MOST_JSON_OCTETS, MOST_JSON_AT_ONCE = 24 * 1024 * 1024, 2
WHOLE_UPLOAD_S = 300.0
# Read and dropped after a refusal: a sender in the middle of its body would else see a reset, not the reason.
_DRAIN_OCTETS, _DRAIN_S = 8 * 1024 * 1024, 5.0
_BUSY_S, _TOO_MANY = 5, 429
_STATUS = {
    Reason.NO_TOKEN: 401,
    Reason.TOKEN_UNKNOWN: 401,
    Reason.TOKEN_EXPIRED: 401,
    Reason.TOKEN_REVOKED: 401,
    Reason.TOKEN_ROLE: 401,
    Reason.QUARANTINED: 401,
    Reason.REPLAYED: 409,
    Reason.FOREIGN_REPORT: 403,
    Reason.MALFORMED: 422,
    Reason.GAP: 422,
    Reason.TOO_MUCH: 413,
    Reason.IDLE: 408,
    Reason.SLOW_READER: 408,
    Reason.BUSY: 429,
    Reason.FLOOD: 429,
    Reason.DISK_RESERVE: 503,
    Reason.STORAGE: 503,
}


def application(intake: Intake) -> Starlette:
    """The ASGI application."""
    made = Starlette(routes=[Route(PATH, Upload(intake).post, methods=["POST"])])
    made.router.redirect_slashes = False
    return made


class Upload:
    """Takes one report a request."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._under_way = 0
        self._reading_json = asyncio.Semaphore(MOST_JSON_AT_ONCE)

    async def post(self, request: Request) -> Response:
        """Answer with the receipt, or with the reason why there is none."""
        self._under_way += 1
        try:
            async with asyncio.timeout(WHOLE_UPLOAD_S):
                return await self._take(request)
        except Refused as exc:
            return await self._refuse(request, exc.reason, str(exc))
        except DecodeError as exc:
            return await self._refuse(request, Reason.MALFORMED, str(exc))
        except StoreError as exc:
            return await self._refuse(request, Reason.STORAGE, str(exc))
        except TimeoutError:
            return await self._refuse(request, Reason.IDLE, f"an upload has {WHOLE_UPLOAD_S:g} s; send again")
        except ClientDisconnect:
            return Response(status_code=_STATUS[Reason.IDLE])
        finally:
            self._under_way -= 1

    async def _take(self, request: Request) -> Response:
        if self._under_way > MOST_AT_ONCE:
            raise Refused(Reason.BUSY, f"{MOST_AT_ONCE} uploads are under way; try again in {_BUSY_S} s")
        peer = _peer(request)
        self._intake.gate.knock(peer)
        token_id = self._intake.admit(_token(request), peer)
        with self._intake.gate.session(peer, token_id):
            return await self._take_from(request, token_id)

    async def _take_from(self, request: Request, token_id: str) -> Response:
        sender = _Sender(self._payloads(request), self._intake.limits.first_frame_s)
        octets = await sender.read()
        if octets is None:
            raise Refused(Reason.MALFORMED, "the body ended before a hello came")
        hello = bounds.read_hello(octets, self._intake.limits)
        peer, sessions = _peer(request), self._intake.sessions
        session = sessions.begin(Claim(hello.report_id, token_id, peer, hello.session))
        try:
            opened = await self._intake.open(hello, peer, token_id)
            await self._intake.stream(hello, opened).run(sender, self._intake.budget)
        finally:
            sessions.end(session)
        return JSONResponse(_answer(hello, sender.receipt))

    def _payloads(self, request: Request) -> AsyncIterator[bytes]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        most = {BUNDLE_TYPE: self._intake.limits.octets, JSON_TYPE: MOST_JSON_OCTETS}.get(kind)
        if most is None:
            raise Refused(Reason.MALFORMED, f"content-type {kind[:80]!r}: {BUNDLE_TYPE} or {JSON_TYPE} is needed")
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > most:
            raise Refused(Reason.TOO_MUCH, f"{length[:20]} octets, at most {most} are taken")
        body = _bounded(request, most)
        return _of_bundle(body) if kind == BUNDLE_TYPE else self._of_json(body)

    async def _of_json(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async with self._reading_json:
            line = b"".join([chunk async for chunk in body])
            frames = await asyncio.to_thread(_frames, line)
        for octets in frames:
            yield octets

    async def _refuse(self, request: Request, reason: Reason, message: str) -> Response:
        self._intake.refusals.count(reason)
        await _drain(request)
        headers = {"Retry-After": str(_BUSY_S)} if _STATUS[reason] == _TOO_MANY else None
        return JSONResponse({"reason": reason, "message": message}, _STATUS[reason], headers)


class _Sender:
    """What a stream reads from and answers to; of the receipts the last one counts."""

    def __init__(self, payloads: AsyncIterator[bytes], patience_s: float) -> None:
        self._payloads = payloads
        self._patience_s = patience_s
        self.receipt = pb.Receipt()

    async def read(self) -> bytes | None:
        try:
            return await asyncio.wait_for(anext(self._payloads, None), self._patience_s)
        except TimeoutError as exc:
            raise Refused(Reason.IDLE, f"nothing came for {self._patience_s:g} s; send again") from exc

    async def write(self, receipt: pb.Receipt, /) -> None:
        self.receipt = receipt


async def _of_bundle(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    records = BundleStream()
    async for chunk in body:
        for payload in records.feed(chunk):
            yield payload
    records.end()


async def _bounded(request: Request, most: int) -> AsyncIterator[bytes]:
    octets = 0
    async for chunk in request.stream():
        octets += len(chunk)
        if octets > most:
            raise Refused(Reason.TOO_MUCH, f"a body has at most {most} octets")
        yield chunk


def _frames(line: bytes) -> list[bytes]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise DecodeError(f"not UTF-8: {exc}") from exc
    return [frame.SerializeToString() for frame in wire.report_to_frames(wire.report_from_json(text))]


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _peer(request: Request) -> str:
    return f"https:{request.client.host}:{request.client.port}" if request.client else "https:"


def _answer(hello: pb.Hello, receipt: pb.Receipt) -> dict[str, object]:
    return {
        "complete": receipt.complete,
        "stored_through": receipt.stored_through,
        "code": receipt_code(hello.report_id),
        "report_id": hello.report_id.hex(),
        "logs_left_out": receipt.logs_left_out,
        "wall_ms": receipt.wall_ms,
    }


async def _drain(request: Request) -> None:
    left = _DRAIN_OCTETS
    try:
        async with asyncio.timeout(_DRAIN_S):
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
