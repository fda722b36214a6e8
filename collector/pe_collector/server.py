"""`pe-collector serve`: listen, say so, and stop without losing what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import grpc
from pe_agent.errors import UsageError

from pe_collector import redaction, store, trust
from pe_collector.intake import Intake
from pe_collector.limits import MESSAGE_OCTETS
from pe_collector.listen import Listen
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
class Listeners:
    """Where reports come in: by gRPC, and by HTTPS upload unless None."""

    ingest: Listen
    upload: Listen | None = None


def serve(folder: Path, listeners: Listeners, say: Callable[[str], None]) -> None:
    """Take reports until SIGTERM or SIGINT; `say` hears one line for each port that is open.

    Raises:
        UsageError: the folder is not initialised, or the port cannot be had.
        StoreError: the database does not open.
    """
    credentials = None if listeners.ingest.plain else _credentials(trust.read_server_trust(folder))
    if not (folder / store.FILE_NAME).exists():
        raise UsageError(f"{folder}: no collector here; run `pe-collector init --data {folder}` first")
    path = store.create(folder)
    writer = store.Writer(path)
    try:
        with closing(store.open_reader(path)) as reader:
            intake = Intake(writer, reader, redaction.read_key(folder))
            asyncio.run(_serve(intake, listeners, credentials, _Place(folder, say)))
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    say: Callable[[str], None]


async def _serve(
    intake: Intake, listeners: Listeners, credentials: grpc.ServerCredentials | None, place: _Place
) -> None:
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MOST_STREAMS)
    server.add_generic_rpc_handlers((Ingest(intake).handler(),))
    listen = listeners.ingest
    port = bind(server, listen, credentials)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no signal handlers in the loop; Ctrl-C ends asyncio.run there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop, STOP_GRACE_S)
        place.say(f"pe-collector listening for reports on {listen.at(port)} ({listen.security})")
        if listeners.upload is not None:
            from pe_collector.upload_listener import listening  # noqa: PLC0415 - only who takes uploads pays for it

            port = await stack.enter_async_context(listening(intake, listeners.upload, place.folder, STOP_GRACE_S))
            place.say(f"pe-collector listening for uploads on {listeners.upload.at(port)} ({listen.security})")
        await stop.wait()


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
