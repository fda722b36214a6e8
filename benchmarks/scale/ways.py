"""Each engine with the fleet in it: how long do its questions take, and what do they answer?"""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pe_agent import wire
from pe_agent.errors import UsageError
from pe_collector import questions, store
from pe_collector.analytics import duck
from pe_collector.findings.filters import Filters as Looked
from pe_collector.findings.live import note, storing, what_is_there
from pe_collector.findings.shown import noted_patterns
from pe_collector.findings.window import look as look_at
from pe_collector.fleet import simulate_fleet
from pe_collector.questions import asking
from pe_collector.questions.contract import Asked
from pe_collector.questions.filters import Filters, parse_filters
from pe_collector.store.folding import fold, start_anew
from pe_collector.store.store import Store
from pe_collector.web.subnet_map import Span, rows_of

from benchmarks.scale.fleet import DAYS, NOW_S

SQLITE, POSTGRESQL, DUCKDB = "SQLite", "PostgreSQL", "DuckDB on Parquet"
# Longer than the first is not asked again, longer than the second once more.
_ENOUGH_S, _SLOW_S, _TIMES = 15.0, 2.0, 5
_DAY_S = 86400.0
_INGESTED, _AT_ONCE = 2000, 100
LOOKED_AT = 20_000
Rows = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """A question as the table names it.

    Attributes:
        words: with which it is asked; None when `ask` does it.
        screen: it is on the ops screen, so that its aim is 100 ms.
        observed: it needs observations.
    """

    name: str
    question: str
    words: Mapping[str, str]
    screen: bool = False
    observed: bool = False

    @property
    def served(self) -> bool:
        """Whether an export answers it."""
        return self.question != "map" and self.question not in duck.REFUSED


_WEEK, _MONTH = {"since": "7d"}, {"since": "30d"}
ASKED = (
    Asking("now deploying", "deploying", {}, screen=True),
    Asking("patterns, as stored", "patterns", {}, screen=True),
    Asking("site hours, 24 h (cells)", "site-hours", {}, screen=True),
    Asking("subnet days, 24 h (cells)", "subnet-days", {"since": "24h"}, screen=True),
    Asking("heat map, 24 h (cells)", "map", {}, screen=True),
    Asking("one machine", "machine", {"machine": "SN000123"}, screen=True),
    Asking("delivery, 24 h (cells)", "delivery", {}, screen=True),
    Asking("machines", "machines", {}),
    Asking("machines of a serial", "machines", {"search": "SN0001"}),
    Asking("subnets, 24 h (from reports)", "subnets", {}),
    Asking("subnets, 30 d (from reports)", "subnets", _MONTH),
    Asking("subnet days, 7 d (cells)", "subnet-days", _WEEK),
    Asking("subnet days, 30 d (cells)", "subnet-days", _MONTH),
    Asking("switches, 24 h", "switches", {}),
    Asking("images, 30 d", "images", _MONTH),
    Asking("servers, 24 h", "servers", {}),
    Asking("nics, 30 d", "nics", _MONTH),
    Asking("slow, 24 h", "slow", {}),
    Asking("slow, 30 d", "slow", _MONTH),
    Asking("delivery, 30 d (cells)", "delivery", _MONTH),
    Asking("logs", "logs", {"words": "0x800706BA", "site": "site-7"}),
    Asking("probes, 24 h", "probes", {}, observed=True),
    Asking("probes, 30 d", "probes", _MONTH, observed=True),
    Asking("ports, 7 d (cells)", "ports", _WEEK, observed=True),
)


@dataclass(frozen=True, slots=True)
class Way:
    """An engine: how it is asked, and which files it reads."""

    name: str
    connect: Callable[[], AbstractContextManager[sa.Connection]]
    files: Path


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds of one question on one engine, how many rows it gave and their hash; infinite where it was given up.

    `cpu_s` is the processor time of this process, the least of all times; of a server's it says nothing.
    """

    cold_s: float
    warm_s: float
    cpu_s: float
    rows: int
    sha256: str


def measure(way: Way, asked: Asking) -> Time:
    """Once with nothing of its files in memory, then a few times more; each on a connection of its own."""
    forget(way.files)
    try:
        cold_s, cold_cpu_s, rows = _timed(way, asked)
    except UsageError:
        return Time(math.inf, math.inf, math.inf, 0, "")
    # What others do on this machine can only make it longer.
    times = 0 if cold_s > _ENOUGH_S else 1 if cold_s > _SLOW_S else _TIMES
    warm = [_timed(way, asked)[:2] for _ in range(times)] or [(cold_s, cold_cpu_s)]
    least_s, least_cpu_s = (min(each) for each in zip(*warm, strict=True))
    return Time(cold_s, least_s, least_cpu_s, len(rows), _hash(rows))


def forget(place: Path) -> None:
    """Let the system drop what it keeps of these files; what a server keeps itself stays."""
    for path in [place] if place.is_file() else [each for each in place.rglob("*") if each.is_file()]:
        # A server's own files come and go.
        with suppress(FileNotFoundError):
            _forget(path)


def _forget(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(number)
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(number)


def _timed(way: Way, asked: Asking) -> tuple[float, float, Rows]:
    """Seconds by the clock and of the processor, and the answer."""
    with way.connect() as connection:
        since_s, cpu_s = time.perf_counter(), time.process_time()
        rows = _rows(connection, asked)
        return time.perf_counter() - since_s, time.process_time() - cpu_s, rows


def _rows(connection: sa.Connection, asked: Asking) -> Rows:
    if asked.question == "map":
        filters = parse_filters({}, "24h", NOW_S)
        found = rows_of(Asked(connection, filters, {}, NOW_S), Span.of(filters, NOW_S), {})
        return [(row.name, row.boots, row.failed) for row in found]
    if asked.question == "patterns":
        with Asked(connection, Filters(), {}, NOW_S).bare() as bare:
            return [(row["id"], row["failed"]) for row in noted_patterns(bare, NOW_S)]
    question = next(each for each in questions.QUESTIONS if each.name == asked.question)
    return asking.ask(connection, question, asked.words, NOW_S).rows


def _hash(rows: Rows) -> str:
    """Of the answer; a sum depends in its last digits on the order in which it was added up."""
    made = hashlib.sha256()
    for row in rows:
        values = row.values() if isinstance(row, Mapping) else row
        made.update(json.dumps([float(f"{v:.9g}") if isinstance(v, float) else v for v in values]).encode())
    return made.hexdigest()[:8]


def count_hours(data: Path) -> float:
    """Count every hour that is over into its cells; how many seconds that took."""
    since_s = time.perf_counter()
    path = data / store.FILE_NAME
    with closing(store.open_writer(path)) as writer, closing(store.open_reader(path)) as reader:
        writer.execute("BEGIN IMMEDIATE")
        start_anew(writer)
        writer.execute("COMMIT")
        step = fold(reader, NOW_S, spend_s=3600.0)
        writer.execute("BEGIN IMMEDIATE")
        step(writer)
        writer.execute("COMMIT")
    return time.perf_counter() - since_s


def look(data: Path, reports: int) -> float:
    """Look for patterns in the newest boots and store them; how many seconds that took."""
    since_s = time.perf_counter()
    path = data / store.FILE_NAME
    with closing(store.open_reader(path)) as reader:
        newest = Looked(since_s=NOW_S - DAYS * _DAY_S * min(1.0, LOOKED_AT / reports))
        noted = note(reader, look_at(reader, newest), NOW_S, what_is_there(reader))
    with closing(store.open_writer(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        storing(noted)(writer)
        writer.execute("COMMIT")
    return time.perf_counter() - since_s


@dataclass(frozen=True, slots=True)
class Taken:
    """Reports a second on top of what is there, and milliseconds of processor for each (of this process)."""

    per_s: float
    cpu_ms: float


def ingest(data: Path) -> Taken:
    """More reports through the store, committed durably, several at a time as under load."""
    batches = [*_batches()]
    since_s, cpu = time.perf_counter(), _cpu_s()
    with Store(data) as there:
        for batch in batches:
            there.put_batch(batch)
    spent_s = time.perf_counter() - since_s
    return Taken(_INGESTED / spent_s, (_cpu_s() - cpu) * 1000 / _INGESTED)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _batches() -> Iterator[list[Any]]:
    batch = []
    for report in simulate_fleet(5, 3000, _INGESTED, NOW_S):
        opening, *records = wire.report_to_frames(report)
        arrived = store.Arrived(opening.hello, "scale", "", NOW_S)
        batch.append((arrived, [store.file_frame(arrived.report_id, f, f.SerializeToString()) for f in records]))
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
