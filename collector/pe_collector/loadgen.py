"""How does a collector stand a boot storm? Simulated agents with whole reports, over gRPC, cut and resumed at will."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate

import grpc
from pe_agent import wire
from pe_agent.model import (
    Boot,
    Clock,
    Identity,
    LogChunk,
    Observation,
    Opening,
    Outcome,
    Reason,
    Status,
    Verdict,
)
from pe_agent.trust import CERTIFICATE_NAME, Trust
from pe_protos.v1 import report_pb2 as pb

_METHOD = "/pe.v1.Ingest/Deliver"
_PROBES = (
    "address",
    "architecture",
    "target",
    "endpoint-mapper",
    "wds-rpc",
    "dhcp",
    "pxe",
    "tftp",
    "smb",
    "dns",
    "sntp",
    "path-mtu",
)
_LINE = "2026-11-22 08:{:02d}:{:02d}, Info                  IBS    Callback_WdsClient: variant {}, session request {}"
_LOGS = 16
_PAUSE_S = 0.2
# Another attempt cannot change these answers.
_FINAL = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"})
_OPTIONS = (
    ("grpc.ssl_target_name_override", CERTIFICATE_NAME),
    # Each agent has a connection of its own, and comes back soon after the collector does.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: `reports` in all, by `agents` that start over `ramp_s`, at most `rate` reports a second (0: any).

    Attributes:
        cut: share of the streams that break off at some frame and are resumed.
        timeout_s: after it what is not acknowledged counts as missing.
    """

    agents: int
    reports: int
    rate: float = 0.0
    log_bytes: int = 200_000
    ramp_s: float = 0.0
    cut: float = 0.0
    timeout_s: float = 600.0
    seed: int = 0


@dataclass(slots=True)
class Tally:
    """What came of it; `took_s` for each acknowledged report, `problem` the last one met."""

    asked: int
    took_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    problem: str = ""

    def sentence(self) -> str:
        """For the screen."""
        got, took = len(self.took_s), sorted(self.took_s)
        text = f"{got} of {self.asked} reports acknowledged in {self.elapsed_s:.1f} s"
        if got:
            median, last = took[got // 2] * 1000, took[got * 99 // 100] * 1000
            text += f": {got / self.elapsed_s:.0f}/s, median {median:.0f} ms, 99 % {last:.0f} ms"
        return text + (f"; last problem: {self.problem}" if self.problem else "")


class _Refused(Exception):
    """The collector will not take this, however often it is sent."""


async def run_load(address: str, trust: Trust, load: Load, acknowledged: Callable[[str], None]) -> Tally:
    """Send everything; `acknowledged` hears each report id the moment its receipt says complete."""
    storm = _Storm(address, trust, load, acknowledged)
    began = time.monotonic()
    agents = [asyncio.create_task(storm.agent(number)) for number in range(load.agents)]
    _, late = await asyncio.wait(agents, timeout=load.timeout_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*agents, return_exceptions=True)
    storm.tally.elapsed_s = time.monotonic() - began
    return storm.tally


class _Storm:
    def __init__(self, address: str, trust: Trust, load: Load, acknowledged: Callable[[str], None]) -> None:
        self.tally = Tally(load.reports)
        self._address = address
        self._trust = trust
        self._load = load
        self._acknowledged = acknowledged
        self._random = random.Random(load.seed)  # noqa: S311 - not a secret
        self._next = 0
        self._began = time.monotonic()

    async def agent(self, number: int) -> None:
        """One machine: report after report over its own connection, as long as there are any to send."""
        await asyncio.sleep(self._load.ramp_s * number / self._load.agents)
        async with _channel(self._address, self._trust) as channel:
            while self._next < self._load.reports:
                turn, self._next = self._next, self._next + 1
                await self._wait_for_turn(turn)
                await self._deliver(channel, make_frames(self._random, self._load, self._trust.token))

    async def _wait_for_turn(self, turn: int) -> None:
        if self._load.rate:
            await asyncio.sleep(max(0.0, self._began + turn / self._load.rate - time.monotonic()))

    async def _deliver(self, channel: grpc.aio.Channel, frames: list[bytes]) -> None:
        report_id = pb.Frame.FromString(frames[0]).hello.report_id.hex()
        began = time.monotonic()
        try:
            while not await self._attempt(channel, frames):
                await asyncio.sleep(_PAUSE_S * self._random.uniform(0.5, 1.5))
        except _Refused:
            return
        self._acknowledged(report_id)
        self.tally.took_s.append(time.monotonic() - began)

    async def _attempt(self, channel: grpc.aio.Channel, frames: list[bytes]) -> bool:
        """Whether the report is stored now."""
        cut_at = self._random.randrange(len(frames)) if self._random.random() < self._load.cut else None
        try:
            return await _stream(channel, frames, cut_at)
        except grpc.aio.AioRpcError as exc:
            self.tally.problem = f"{exc.code().name}: {' '.join((exc.details() or '').split())}"
            if exc.code().name in _FINAL:
                raise _Refused from exc
            return False


async def _stream(channel: grpc.aio.Channel, frames: list[bytes], cut_at: int | None) -> bool:
    call: grpc.aio.StreamStreamCall[bytes, pb.Receipt] = channel.stream_stream(
        _METHOD, response_deserializer=pb.Receipt.FromString
    )()
    try:
        await call.write(frames[0])
        first = await call.read()
        if not isinstance(first, pb.Receipt) or first.complete:
            return isinstance(first, pb.Receipt)
        for part in _messages(frames[: cut_at or None], first):
            await call.write(part)
        if cut_at is not None:
            return False
        await call.done_writing()
        while isinstance(receipt := await call.read(), pb.Receipt):
            if receipt.complete:
                return True
        return False
    except asyncio.InvalidStateError:
        # The call broke while it was written to.
        return False
    finally:
        call.cancel()


def _messages(frames: list[bytes], first: pb.Receipt) -> Iterator[bytes]:
    """What an agent sends that has the whole report in its spool: all the rest as batches, if they are taken."""
    rest = frames[first.stored_through + 1 :]
    if not first.batch_bytes:
        yield from rest
        return
    while rest:
        sizes = accumulate(map(len, rest))
        fit = max(1, sum(size <= first.batch_bytes for size in sizes))
        yield pb.Frame(batch=pb.Batch(frames=rest[:fit])).SerializeToString()
        rest = rest[fit:]


def make_frames(chance: random.Random, load: Load, token: str) -> list[bytes]:
    """A plausible report: hello, twelve observations, a log, a verdict."""
    variant = chance.randrange(_LOGS)
    clock = Clock(chance.uniform(20.0, 120.0), int(time.time() * 1000))
    serial, mac = f"LOAD-{chance.getrandbits(40):010X}", ":".join(f"{octet:02x}" for octet in chance.randbytes(6))
    identity = Identity(serial=serial, manufacturer="Load", macs=(mac,))
    opening = Opening(chance.randbytes(16), "0.1.0", "auto", identity, Boot(clock, image_build="loadgen"))
    hello = wire.encode_hello(opening, clock, token).SerializeToString()
    return [hello, *_records(variant, load.log_bytes)]


@functools.cache
def _records(variant: int, log_bytes: int) -> tuple[bytes, ...]:
    """The reports of a storm resemble each other; making and packing each anew would measure the sender."""
    chance = random.Random(variant)  # noqa: S311 - not a secret
    told = [wire.encode_record(number, _observation(name, chance)) for number, name in enumerate(_PROBES, start=1)]
    last = wire.encode_record(len(_PROBES) + 2, Verdict(Status.HEALTHY, "Nothing wrong was found", finished_at_s=99.0))
    log = _log_frame(len(_PROBES) + 1, variant, log_bytes)
    return (*(frame.SerializeToString() for frame in told), log, last.SerializeToString())


def _observation(probe: str, chance: random.Random) -> Observation:
    facts: dict[str, str | int | float | bool] = {"rtt_s": round(chance.uniform(0.0002, 0.02), 6)}
    if probe == "address":
        facts |= {"address": f"10.{chance.randrange(8)}.{chance.randrange(16)}.23", "prefix_length": 24}
    return Observation(probe, "10.10.9.20", Outcome.OK, Reason.ANSWERED, 1.0, 0.01, facts)


def _log_frame(sequence: int, variant: int, octets: int) -> bytes:
    lines = (_LINE.format(number // 60 % 60, number % 60, variant, number) for number in range(octets // 80 + 2))
    log = "\r\n".join(lines).encode()[:octets]
    chunk = LogChunk("X:\\Windows\\Panther\\setupact.log", 0, log, len(log), hashlib.sha256(log).digest())
    return wire.encode_record(sequence, chunk).SerializeToString()


@asynccontextmanager
async def _channel(address: str, trust: Trust) -> AsyncIterator[grpc.aio.Channel]:
    if trust.plain:
        channel = grpc.aio.insecure_channel(address, _OPTIONS[1:])
    else:
        channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(trust.ca), _OPTIONS)
    async with channel:
        yield channel
