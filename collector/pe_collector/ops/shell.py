"""Around the whole application: by which name, how large a request, what a browser may do with a page."""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pe_collector.listen import is_loopback
from pe_collector.ops.state import Access
from pe_collector.trust import SERVER_NAME

MOST_BODY_OCTETS = 1024 * 1024
# Bundles from USB drives: the only requests that may be larger. Nothing of one is kept in memory.
MOST_UPLOAD_OCTETS = 128 * 1024 * 1024
_MOST_OF_PATH = {"/upload/file": MOST_UPLOAD_OCTETS}
# Nothing from elsewhere, nothing inline: text from a log that gets into a page as markup still runs nothing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With `no-referrer` a browser says "Origin: null" of our own forms, which looks like a foreign page.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_TLS_HEADERS = {"strict-transport-security": "max-age=31536000"}


class Shell:
    """ASGI middleware. Headers that an endpoint sets itself stay, but for those of HEADERS."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._headers = HEADERS | (_TLS_HEADERS if access.tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        dressed = _Dressed(send, self._headers)
        most = _MOST_OF_PATH.get(scope.get("path", ""), MOST_BODY_OCTETS)
        if not self._is_ours(headers.get("host", ""), scope):
            await _refuse(dressed.send, 421, "this listener has another name; see `ops_hosts` in collector.toml")
        elif _octets(headers) > most:
            await _refuse(dressed.send, 413, f"a request has at most {most} octets")
        else:
            await self._app(scope, _Bounded(receive, most).receive, dressed.send)

    def _is_ours(self, host: str, scope: Scope) -> bool:
        """Off loopback the certificate answers for the name; without one a stranger's name could lead here."""
        name = _name(host)
        known = self._access.hosts | {SERVER_NAME}
        if self._access.tls and not self._access.hosts:
            return True
        server = scope.get("server")
        return is_loopback(name) or name in known or bool(server and name == server[0] and _is_address(name))


class _Dressed:
    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send = send
        self._headers = headers

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("cache-control", "no-store")
            headers.update(self._headers)
        await self._send(message)


class _Bounded:
    """A body that is longer than it said ends here."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return message if self._left >= 0 else {"type": "http.disconnect"}


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


def _octets(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length[:12]) if length.isascii() and length.isdigit() else 0


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps({"reason": "http", "message": message}).encode()
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
