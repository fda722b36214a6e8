"""How many reports a second does a collector make durable? Starts one, sends, counts what was acknowledged.

    python benchmarks/ingest.py [--reports N] [--at-once N] [--log-bytes N] [--tls]

Sender and collector share the machine: compare figures of one machine only. Not part of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
from pe_protos.v1 import report_pb2 as pb

_COLLECTOR = (sys.executable, "-u", "-m", "pe_collector")


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: `log` is the chunk that each report carries, compressed by nobody."""

    reports: int
    at_once: int
    log: bytes
    token: str


def report_frames(load: Load) -> list[bytes]:
    """The octets of one report: hello, twelve observations, a log chunk, a summary."""
    hello = pb.Hello(protocol=1, report_id=os.urandom(16), token=load.token)
    hello.identity.serial = os.urandom(4).hex()
    frames = [pb.Frame(hello=hello)]
    for sequence in range(1, 13):
        body = pb.Observation(probe=f"probe-{sequence}", target="10.10.9.20:5040", outcome="ok", reason="answered")
        body.facts["rtt_s"].real = 0.001
        frames.append(pb.Frame(sequence=sequence, observation=body))
    log = pb.LogChunk(path="X:\\setupact.log", data=load.log, expanded_bytes=len(load.log))
    frames.append(pb.Frame(sequence=13, log=log))
    frames.append(pb.Frame(sequence=14, summary=pb.Summary(status="healthy")))
    return [frame.SerializeToString() for frame in frames]


async def deliver(channel: grpc.aio.Channel, load: Load) -> None:
    """One report, until it is acknowledged as complete."""
    call: grpc.aio.StreamStreamCall[bytes, pb.Receipt] = channel.stream_stream(
        "/pe.v1.Ingest/Deliver", response_deserializer=pb.Receipt.FromString
    )()
    hello, *rest = report_frames(load)
    await call.write(hello)
    await call.read()
    for frame in rest:
        await call.write(frame)
    await call.done_writing()
    while isinstance(receipt := await call.read(), pb.Receipt):
        if receipt.complete:
            return
    raise RuntimeError("a report ended without its receipt")


async def run(address: str, ca: bytes | None, load: Load) -> list[float]:
    """Seconds that each report took."""
    options = [("grpc.ssl_target_name_override", "pe-collector"), ("grpc.use_local_subchannel_pool", 1)]
    left = iter(range(load.reports))
    took: list[float] = []

    async def sender() -> None:
        credentials = grpc.ssl_channel_credentials(ca) if ca else None
        make = (
            grpc.aio.secure_channel(address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(address)
        )
        async with make as channel:
            for _ in left:
                began = time.perf_counter()
                await deliver(channel, load)
                took.append(time.perf_counter() - began)

    await asyncio.gather(*(sender() for _ in range(load.at_once)))
    return sorted(took)


def measure(collector: subprocess.Popen[str], data: Path, told: argparse.Namespace) -> tuple[list[float], float]:
    """What each report took, and all of them together; seconds."""
    if collector.stdout is None:
        raise RuntimeError("the collector has no stdout")
    address = collector.stdout.readline().split(" on ")[1].split()[0]
    load = Load(told.reports, told.at_once, os.urandom(told.log_bytes), (data / "first.token").read_text())
    ca = (data / "ca.pem").read_bytes() if told.tls else None
    began = time.perf_counter()
    took = asyncio.run(run(address, ca, load))
    return took, time.perf_counter() - began


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--log-bytes", type=int, default=16_000)
    parser.add_argument("--tls", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        subprocess.run([*_COLLECTOR, "init", "--data", data], check=True, stdout=subprocess.DEVNULL)
        plain = [] if told.tls else ["--plain"]
        command = [*_COLLECTOR, "serve", "--data", str(data), "--ingest", "127.0.0.1:0", *plain]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as collector:
            try:
                took, elapsed_s = measure(collector, data, told)
            finally:
                collector.send_signal(signal.SIGTERM)
    sys.stdout.write(
        f"{len(took)} reports in {elapsed_s:.1f} s: {len(took) / elapsed_s:.0f}/s, "
        f"median {took[len(took) // 2] * 1000:.0f} ms, 99 % {took[len(took) * 99 // 100] * 1000:.0f} ms\n"
    )


if __name__ == "__main__":
    main()
