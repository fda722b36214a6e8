"""How many reports a second does a collector make durable, and how many does the naive way?

    python benchmarks/ingest.py [--reports N] [--agents N] [--log-bytes N] [--tls]

The naive way is what one would write first: the same frames to a grpc.aio server of the same kind, each row a
transaction of its own through sqlite-utils, synchronous=FULL as well. Both run after each other on this machine with
the same load; compare the ratio, not the figures. Every acknowledged id is looked up. Not part of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
from pe_agent.trust import Trust, read_trust
from pe_collector.loadgen import Load, Tally, run_load
from pe_protos.v1 import report_pb2 as pb
from sqlite_utils import Database

_COLLECTOR = (sys.executable, "-u", "-m", "pe_collector")


class Naive:
    """A row a transaction; nothing is checked, redacted or taken apart."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")

    async def deliver(self, frames: Any, _context: Any) -> Any:
        """One report: a receipt for the hello and one at the end."""
        report_id, through = "", 0
        async for octets in frames:
            frame = pb.Frame.FromString(octets)
            if frame.WhichOneof("body") == "hello":
                report_id = frame.hello.report_id.hex()
                self._database["report"].upsert({"id": report_id}, pk="id")
                yield pb.Receipt()
            row = {"report": report_id, "sequence": frame.sequence, "octets": octets}
            self._database["frame"].upsert(row, pk=("report", "sequence"))
            through = frame.sequence
        yield pb.Receipt(stored_through=through, complete=True)


async def serve_naive(path: Path) -> None:
    """Print the port, then serve until killed."""
    server = grpc.aio.server()
    handler: Any = grpc.stream_stream_rpc_method_handler(
        Naive(path).deliver, response_serializer=pb.Receipt.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pe.v1.Ingest", {"Deliver": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"naive on 127.0.0.1:{port} (no TLS)\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def measure(command: list[str], trust: Trust, load: Load, count: tuple[Path, str]) -> dict[str, float]:
    """Start a server, send, stop it, look up what was acknowledged."""
    acknowledged: list[str] = []
    before_s = _children_cpu_s()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            if server.stdout is None:
                raise RuntimeError("the server has no stdout")
            address = server.stdout.readline().split(" on ")[1].split()[0]
            tally = asyncio.run(run_load(address, trust, load, acknowledged.append))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    path, query = count
    with sqlite3.connect(path) as connection:
        stored = {row[0] for row in connection.execute(query)}
    return _figures(tally, len(set(acknowledged) - stored), _children_cpu_s() - before_s)


def _figures(tally: Tally, lost: int, cpu_s: float) -> dict[str, float]:
    took = sorted(tally.took_s)
    return {
        "reports": len(took),
        "lost": lost,
        "per_s": round(len(took) / tally.elapsed_s, 1),
        "median_ms": round(took[len(took) // 2] * 1000),
        "p99_ms": round(took[len(took) * 99 // 100] * 1000),
        "server_cpu_ms_per_report": round(cpu_s / len(took) * 1000, 2),
    }


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure both and print them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--agents", type=int, default=32)
    parser.add_argument("--log-bytes", type=int, default=16_000)
    parser.add_argument("--tls", action="store_true", help="For the collector; the naive server has none.")
    parser.add_argument("--naive", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.naive:
        asyncio.run(serve_naive(told.naive))
        return
    load = Load(told.agents, told.reports, log_bytes=told.log_bytes)
    with tempfile.TemporaryDirectory() as folder:
        data, naive = Path(folder) / "data", Path(folder) / "naive.sqlite"
        subprocess.run([*_COLLECTOR, "init", "--data", data], check=True, stdout=subprocess.DEVNULL)
        trust = read_trust(str(data / "ca.pem"), (data / "first.token").read_text().strip(), plain=not told.tls)
        plain = [] if told.tls else ["--plain"]
        command = [*_COLLECTOR, "serve", "--data", str(data), "--ingest", "127.0.0.1:0", *plain]
        query = "SELECT report_id FROM report WHERE complete"
        ours = measure(command, trust, load, (data / "collector.sqlite", query))
        command = [sys.executable, __file__, "--naive", str(naive)]
        theirs = measure(command, Trust(plain=True), load, (naive, "SELECT id FROM report"))
    ratio = round(ours["per_s"] / theirs["per_s"], 1)
    sys.stdout.write(json.dumps({"collector": ours, "naive": theirs, "ratio": ratio}, indent=2) + "\n")


if __name__ == "__main__":
    main()
