"""`pe-collector serve`: listen, say so, and stop without losing what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import grpc
from pe_agent.errors import UsageError

from pe_collector import store, trust
from pe_collector.limits import MESSAGE_OCTETS
from pe_collector.service import Ingest

STOP_GRACE_S = 1.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_OCTETS),
    # A second collector on the same port must fail, not take half of the reports.
    ("grpc.so_reuseport", 0),
    # Agents ping while they watch a log; without this the server takes that for an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # A machine that was switched off leaves no farewell.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_concurrent_streams", 1_000),
)
_MOST_STREAMS = 10_000


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: address, port (0 lets the system choose), with TLS unless `plain`."""

    host: str
    port: int
    plain: bool = False

    @classmethod
    def parse(cls, text: str, *, plain: bool) -> Listen:
        """`HOST:PORT`, `[v6]:PORT`.

        Raises:
            UsageError: it is not of that form, or without TLS and not on loopback.
        """
        host, colon, port = text.rpartition(":")
        host = host.strip("[]")
        if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
            raise UsageError(f"{text!r}: HOST:PORT is needed, for example 0.0.0.0:7443")
        if plain and not is_loopback(host):
            raise UsageError(f"{text}: --plain is for loopback only; reports cross a network with TLS or not at all")
        return cls(host, int(port), plain)

    def at(self, port: int) -> str:
        """`HOST:PORT` with the port that is really open."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether nothing outside this machine reaches that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(folder: Path, listen: Listen, say: Callable[[str], None]) -> None:
    """Take reports until SIGTERM or SIGINT; `say` hears one line when the port is open.

    Raises:
        UsageError: the folder is not initialised, or the port cannot be had.
        StoreError: the database does not open.
    """
    credentials = None if listen.plain else _credentials(trust.read_server_trust(folder))
    if not (folder / store.FILE_NAME).exists():
        raise UsageError(f"{folder}: no collector here; run `pe-collector init --data {folder}` first")
    path = store.create(folder)
    writer = store.Writer(path)
    try:
        with closing(store.open_reader(path)) as reader:
            asyncio.run(_serve(Ingest(writer, reader), listen, credentials, say))
    finally:
        writer.close()


async def _serve(
    ingest: Ingest, listen: Listen, credentials: grpc.ServerCredentials | None, say: Callable[[str], None]
) -> None:
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MOST_STREAMS)
    server.add_generic_rpc_handlers((ingest.handler(),))
    port = bind(server, listen, credentials)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no signal handlers in the loop; Ctrl-C ends asyncio.run there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await server.start()
    say(f"pe-collector listening for reports on {listen.at(port)} ({'no TLS' if listen.plain else 'TLS'})")
    await stop.wait()
    await server.stop(STOP_GRACE_S)


def bind(server: grpc.aio.Server, listen: Listen, credentials: grpc.ServerCredentials | None) -> int:
    """Open the port; returns its number.

    Raises:
        UsageError: somebody else has it, or the address is not one of this machine.
    """
    where = listen.at(listen.port)
    try:
        return server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    except RuntimeError as exc:
        raise UsageError(f"cannot listen on {where}: {exc}; is another program using it?") from exc


def _credentials(server: trust.ServerTrust) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(server.key, server.certificate)])
