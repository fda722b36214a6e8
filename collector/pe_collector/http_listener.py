"""An HTTP listener in the loop of the gRPC server: for uploads, and for the ops side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from pe_agent.errors import UsageError
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from pe_collector.listen import Listen

FIRST_REQUEST_S = 15.0
_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Door:
    """Where an application listens: key and certificate are PEM files, unused by a plain listener."""

    listen: Listen
    key: Path
    certificate: Path
    most_connections: int
    grace_s: float


class _Impatient(H11Protocol):
    """Closes a connection on which no request has come in time; afterwards the application watches the clock."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._first = self.loop.call_later(FIRST_REQUEST_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._first.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None:
            self.transport.abort()


class _Server(uvicorn.Server):
    """Signals belong to the gRPC server's side."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(application: ASGIApp, door: Door) -> AsyncIterator[int]:
    """Answer requests inside the block; gives the port that is open. Requests under way have `grace_s` to end.

    Raises:
        UsageError: the port cannot be had.
    """
    tls: dict[str, Any] = {} if door.listen.plain else {"ssl_keyfile": door.key, "ssl_certfile": door.certificate}
    config = uvicorn.Config(
        application,
        http=_Impatient,
        ws="none",
        lifespan="off",
        log_config=None,
        # Whoever speaks nonsense must not fill the journal.
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=door.most_connections,
        timeout_graceful_shutdown=max(1, round(door.grace_s)),
        **tls,
    )
    with _socket(door.listen) as sock:
        server = _Server(config)
        serving = asyncio.create_task(server.serve([sock]))
        try:
            yield int(sock.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def _socket(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    sock = socket.socket(family)
    try:
        # On Windows the option would let a second program take the port.
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((listen.host, listen.port))
        sock.listen(_BACKLOG)
        sock.settimeout(0.0)
    except OSError as exc:
        sock.close()
        where = listen.at(listen.port)
        raise UsageError(f"cannot listen on {where}: {exc}; is another program using it?") from exc
    return sock
