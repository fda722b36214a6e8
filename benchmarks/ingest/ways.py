"""Each way to make a report durable: start its server, send, look up every acknowledged id."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pe_collector.loadgen import Load, make_frames

from benchmarks.ingest import cost, postgres

PYTHON = sys.executable
# A collector's own bounds on one source would be what is measured.
_OPEN = (
    "source_reports_per_s = 100000.0\nsource_reports_burst = 1000000.0\ntoken_reports_per_s = 100000.0\n"
    "token_reports_burst = 1000000.0\nreserve_octets = 0\nreserve_for_verdicts_octets = 0\n"
)


@dataclass(frozen=True, slots=True)
class Job:
    """What is sent: `mode` is stream, fresh or forward, see cpp/load.cc."""

    way: str
    mode: str
    agents: int
    reports: int
    log_bytes: int = 200_000


@dataclass(slots=True)
class Result:
    """What came of it; latencies in ms, processor ms and octets for each report."""

    job: Job
    load: dict[str, float]
    lost: int
    cpu_ms: float
    wire: float
    disk: float
    split: list[tuple[float, str]] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Durable reports a second."""
        return self.load["reports"] / self.load["elapsed_s"]


@dataclass(frozen=True, slots=True)
class Running:
    """A server: its address, its process, how to look up what it stored, what its agents show."""

    address: str
    pid: int
    stored: Callable[[], set[str]]
    folder: Path
    ca: Path
    token: str


Server = Callable[[Path, Path], contextlib.AbstractContextManager[Running]]


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[tuple[str, int]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            yield line.split(" on ")[1].split()[0], server.pid
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def _init(folder: Path) -> Path:
    data = folder / "data"
    subprocess.run([PYTHON, "-m", "pe_collector", "init", "--data", data], check=True, stdout=subprocess.DEVNULL)
    (data / "collector.toml").write_text(_OPEN)
    return data


def _rows(path: Path, query: str) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute(query)}


@contextlib.contextmanager
def collector(folder: Path, _programs: Path) -> Iterator[Running]:
    """`pe-collector serve`."""
    data = _init(folder)
    told = ["serve", "--data", str(data), "--ingest", "127.0.0.1:0", "--no-ops"]
    query = "SELECT report_id FROM report WHERE complete"
    with _process([PYTHON, "-u", "-m", "pe_collector", *told]) as (address, pid):
        token = (data / "first.token").read_text().strip()
        yield Running(address, pid, lambda: _rows(data / "collector.sqlite", query), data, data / "ca.pem", token)


@contextlib.contextmanager
def native(folder: Path, programs: Path) -> Iterator[Running]:
    """The C++ server over the same tables."""
    data = _init(folder)
    told = [str(data / name) for name in ("collector.sqlite", "server.key", "server.pem")]
    query = "SELECT report_id FROM report WHERE complete"
    with _process([str(programs / "server"), "127.0.0.1:0", *told]) as (address, pid):
        yield Running(address, pid, lambda: _rows(data / "collector.sqlite", query), data, data / "ca.pem", "x")


def naive(unit: str) -> Server:
    """sqlite-utils with a transaction for each row or report."""

    @contextlib.contextmanager
    def start(folder: Path, _programs: Path) -> Iterator[Running]:
        data = _init(folder)
        path = folder / "naive" / "naive.sqlite"
        path.parent.mkdir()
        told = [str(path), str(data / "server.key"), str(data / "server.pem"), unit]
        query = "SELECT id FROM report WHERE outcome<>''"
        with _process([PYTHON, "-u", "-m", "benchmarks.ingest.naive", *told]) as (address, pid):
            yield Running(address, pid, lambda: _rows(path, query), path.parent, data / "ca.pem", "x")

    return start


@contextlib.contextmanager
def json_to_postgres(folder: Path, _programs: Path) -> Iterator[Running]:
    """starlette, uvicorn and psycopg; its processor time is that of both servers."""
    folder.chmod(0o755)
    data = _init(folder)
    with postgres.cluster(folder / "pg"):
        told = [str(folder / "pg"), str(data / "server.key"), str(data / "server.pem")]
        with _process([PYTHON, "-u", "-m", "benchmarks.ingest.postgres", *told]) as (address, pid):
            yield Running(address, pid, lambda: postgres.reports(folder / "pg"), folder / "pg", data / "ca.pem", "")


WAYS: dict[str, Server] = {
    "collector": collector,
    "C++": native,
    "naive, a transaction a row": naive("row"),
    "naive, a transaction a report": naive("report"),
    "JSON, PostgreSQL": json_to_postgres,
}


def measure(job: Job, programs: Path, *, split_s: float = 0.0) -> Result:
    """One way, one job, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="pe-ingest-") as name:
        folder = Path(name)
        with WAYS[job.way](folder, programs) as running:
            pids = _servers(running)
            cpu_s, wire, disk = cost.cpu_s(pids), cost.wire_octets(), cost.disk_octets(running.folder)
            with _sending(job, programs, folder, running) as sending:
                shares = cost.split(running.pid, split_s) if split_s else []
                said = sending.communicate()[0]
            load = json.loads(said)
            used_s, over = cost.cpu_s(_servers(running)) - cpu_s, cost.wire_octets() - wire
            acknowledged = set((folder / "acks").read_text().split())
            lost = len(acknowledged - running.stored())
            grown = cost.disk_octets(running.folder) - disk
    count = max(1.0, load["reports"])
    return Result(job, load, lost, used_s * 1000 / count, over / count, grown / count, shares)


def _servers(running: Running) -> list[int]:
    pids = cost.family(running.pid)
    postmaster = running.folder / "base" / "postmaster.pid"
    return pids + (cost.family(int(postmaster.read_text().split()[0])) if postmaster.exists() else [])


def _sending(job: Job, programs: Path, folder: Path, running: Running) -> subprocess.Popen[str]:
    if job.way == "JSON, PostgreSQL":
        told = ["load", running.address.split(":")[1], str(folder / "acks"), str(job.agents), str(job.reports)]
        command = [PYTHON, "-m", "benchmarks.ingest.postgres", *told, str(job.log_bytes)]
    else:
        told = [running.address, str(_records(folder, job)), str(folder / "acks"), job.mode]
        command = [str(programs / "load"), *told, str(job.agents), str(job.reports), str(running.ca), running.token]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _records(folder: Path, job: Job) -> Path:
    frames = make_frames(random.Random(1), Load(1, 1, log_bytes=job.log_bytes), "")[1:]  # noqa: S311 - no secret
    path = folder / "records"
    path.write_bytes(b"".join(struct.pack("<I", len(frame)) + frame for frame in frames))
    return path


def idle_octets(programs: Path, streams: int) -> float:
    """Memory of the collector for each stream that said hello and then nothing, on a TLS connection of its own."""
    with tempfile.TemporaryDirectory(prefix="pe-ingest-") as name, collector(Path(name), programs) as running:
        before = cost.resident_octets([running.pid])
        records = str(_records(Path(name), Job("collector", "idle", streams, 0)))
        told = [running.address, records, "/dev/null", "idle", str(streams), "0", str(running.ca), running.token]
        with subprocess.Popen(
            [str(programs / "load"), *told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as crowd:
            if not crowd.stdout or crowd.stdout.readline() != "idle\n":
                raise RuntimeError("not all idle streams were opened")
            each = (cost.resident_octets([running.pid]) - before) / streams
            crowd.kill()
    return each
