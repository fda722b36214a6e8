"""`pe-collector serve`: listen, say so, and stop without losing what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import grpc
from pe_agent.errors import UsageError
from starlette.types import ASGIApp

from pe_collector import http_listener, redaction, store, trust
from pe_collector.alerts.channels import channels
from pe_collector.alerts.telling import Telling
from pe_collector.door import Door
from pe_collector.gate import Gate
from pe_collector.intake import Intake
from pe_collector.leaf.passing import Passing
from pe_collector.limits import MESSAGE_OCTETS
from pe_collector.listen import Listen
from pe_collector.looking import Looking
from pe_collector.memory import collect_seldom, keep_memory
from pe_collector.metrics.tally import Tally
from pe_collector.questions.log_reading import LogReading
from pe_collector.refusal import note_refusals
from pe_collector.reserve import Floors, Reserve
from pe_collector.rolling import Rolling
from pe_collector.service import Ingest
from pe_collector.settings import Settings
from pe_collector.store import waiting
from pe_collector.supervisor import Supervisor, supervised

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
    # gRPC measures by pings how much of each connection to let in: with one report on each that costs more than it
    # gains. So much of a stream is let in instead: 10 MB/s where an answer takes 0.1 s, as to a hub far away.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1024 * 1024),
    # Counters of every connection and call that nobody here can ask for.
    ("grpc.enable_channelz", 0),
    ("grpc.max_channel_trace_event_memory_per_node", 0),
)
_MOST_STREAMS = 10_000
MOST_UPLOAD_CONNECTIONS, MOST_OPS_CONNECTIONS = 2_000, 200
NOTE_REFUSALS_S = 60.0


def serve(folder: Path, settings: Settings, say: Callable[[str], None]) -> None:
    """Take reports until SIGTERM or SIGINT; `say` hears one line for each port that is open.

    Raises:
        UsageError: the folder is not initialised, or a port cannot be had.
        StoreError: the database does not open.
    """
    listen = settings.ingest_listen()
    credentials = None if listen.plain else _credentials(trust.read_server_trust(*_certificate(folder, settings)))
    store.is_there(folder)
    path = store.create(folder)
    told, hubs = channels(folder, settings), settings.hubs()
    keep_memory()
    collect_seldom()
    tally = Tally()
    writer = store.Writer(path, watcher=tally)
    try:
        with closing(store.open_reader(path)) as reader:
            intake = Intake(
                writer,
                reader,
                Reserve(folder, Floors(settings.reserve_for_verdicts_octets, settings.reserve_octets)),
                redaction.read_key(folder),
                settings.limits(),
                gate=Gate(settings.gate()),
            )
            if not hubs:
                writer.run(waiting.end)
            with (
                closing(Looking(path, writer, settings.look_every_s)),
                closing(LogReading(path, writer)),
                closing(Rolling(path, writer)),
                closing(Telling(path, writer, told)),
                closing(Passing(path, writer, hubs)) if hubs else nullcontext(),
            ):
                asyncio.run(_serve(intake, settings, credentials, _Place(folder, say, tally)))
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    say: Callable[[str], None]
    tally: Tally


async def _serve(intake: Intake, settings: Settings, credentials: grpc.ServerCredentials | None, place: _Place) -> None:
    server = grpc.aio.server(interceptors=[Door(intake)], options=_OPTIONS, maximum_concurrent_rpcs=_MOST_STREAMS)
    server.add_generic_rpc_handlers((Ingest(intake).handler(),))
    listen = settings.ingest_listen()
    port = bind(server, listen, credentials)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no signal handlers in the loop; Ctrl-C ends asyncio.run there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(_note_refusals, intake)
        await server.start()
        stack.push_async_callback(server.stop, STOP_GRACE_S)
        place.say(f"pe-collector listening for reports on {listen.at(port)} ({listen.security})")
        await _listen_by_http(stack, intake, settings, place)
        await stack.enter_async_context(supervised(Supervisor.of(os.environ), intake.writer.is_moving))
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), NOTE_REFUSALS_S)
            await _note_refusals(intake)


async def _note_refusals(intake: Intake) -> None:
    if not (fresh := intake.refusals.fresh()):
        return
    try:
        await asyncio.wrap_future(intake.writer.run(lambda c: note_refusals(c, fresh, intake.now_s())))
    except store.StoreError:
        intake.refusals.again(fresh)


async def _listen_by_http(stack: contextlib.AsyncExitStack, intake: Intake, settings: Settings, place: _Place) -> None:
    uploads, people = settings.upload_listen(), settings.ops_listen()
    if uploads is not None:
        from pe_collector.upload import application  # noqa: PLC0415 - only who takes uploads pays for it

        door = http_listener.Door(uploads, *_certificate(place.folder, settings), MOST_UPLOAD_CONNECTIONS, STOP_GRACE_S)
        await _open(stack, application(intake), door, (place, "uploads"))
    if people is None:
        return
    from pe_collector import ops  # noqa: PLC0415 - as above
    from pe_collector.metrics.now import Parts  # noqa: PLC0415
    from pe_collector.metrics.page import exposition  # noqa: PLC0415

    parts = Parts(
        place.folder,
        intake.refusals.counts,
        intake.sessions.sending,
        intake.writer.waiting,
        intake.now_s,
        bool(settings.forward_to),
    )
    state = ops.OpsState(
        place.folder,
        lambda step: intake.writer.run(step).result(),
        settings.access(),
        intake.now_s,
        intake.refusals.counts,
        metrics=lambda: exposition(place.tally, parts),
    )
    door = http_listener.Door(people, *_ops_certificate(place.folder, settings), MOST_OPS_CONNECTIONS, STOP_GRACE_S)
    try:
        await _open(stack, ops.app(state), door, (place, "questions"))
    except UsageError as exc:
        # A port that nobody chose must not keep reports from coming in.
        if settings.ops != Settings().ops:
            raise
        place.say(f"pe-collector answers no questions here: {exc} (--ops HOST:PORT names another port)")


async def _open(
    stack: contextlib.AsyncExitStack, application: ASGIApp, door: http_listener.Door, what: tuple[_Place, str]
) -> None:
    place, kind = what
    port = await stack.enter_async_context(http_listener.listening(application, door))
    place.say(f"pe-collector listening for {kind} on {door.listen.at(port)} ({door.listen.security})")


def _certificate(folder: Path, settings: Settings) -> tuple[Path, Path]:
    """Key and certificate for reports."""
    return Path(settings.key or folder / trust.KEY), Path(settings.certificate or folder / trust.CERTIFICATE)


def _ops_certificate(folder: Path, settings: Settings) -> tuple[Path, Path]:
    """Key and certificate for people."""
    key, certificate = _certificate(folder, settings)
    return Path(settings.ops_key or key), Path(settings.ops_certificate or certificate)


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
