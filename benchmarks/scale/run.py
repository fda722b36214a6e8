"""One size after the other: make the fleet, load it, ask, take more, throw it away."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pe_collector.analytics import duck
from pe_collector.analytics.parquet import export
from pe_collector.questions import connected
from pe_collector.store import FILE_NAME

from benchmarks.scale import fleet, loading
from benchmarks.scale.ways import (
    ASKED,
    DUCKDB,
    POSTGRESQL,
    SQLITE,
    Asking,
    Taken,
    Time,
    Way,
    count_hours,
    ingest,
    look,
    measure,
)

# Beyond it a report has no observations here: that is a matter of room on the disk.
MOST_WITH_OBSERVATIONS = 1_000_000
MOST_EXPORTED = 10_000


@dataclass(slots=True)
class Size:
    """What was measured with so many reports; times by question and engine, seconds and octets by what they are of."""

    reports: int
    times: dict[tuple[str, str], Time] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    octets: dict[str, int] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    engines: set[str] = field(default_factory=set)

    @property
    def observations(self) -> bool:
        """Whether its reports have any."""
        return self.reports <= MOST_WITH_OBSERVATIONS


def measured(folder: Path, size: Size, done: Callable[[Size], None]) -> None:
    """All that is not known yet, said engine by engine; `folder` is gone afterwards."""
    steps = {SQLITE: _sqlite, DUCKDB: _duckdb, POSTGRESQL: _postgresql}
    missing = [engine for engine in steps if engine not in size.engines]
    if not missing:
        _say(f"{size.reports}: known")
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    try:
        with _watch(size, "make"):
            fleet.make(folder, size.reports, observations=size.observations)
        for engine in missing:
            steps[engine](size, folder)
            size.engines.add(engine)
            done(size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _duckdb(size: Size, folder: Path) -> None:
    fleet.lay_out(folder)
    size.octets[DUCKDB] = _octets(folder / "history")
    _ask_all(size, Way(DUCKDB, partial(duck.connected, folder / "history"), folder / "history"))
    shutil.rmtree(folder / "history")


def _sqlite(size: Size, folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    with _watch(size, f"load {SQLITE}"):
        loading.into_sqlite(folder, data)
    size.octets[SQLITE] = (data / FILE_NAME).stat().st_size
    size.seconds[f"count hours {SQLITE}"] = count_hours(data)
    size.seconds[f"look for patterns {SQLITE}"] = look(data, size.reports)
    _ask_all(size, Way(SQLITE, partial(connected, data), data / FILE_NAME))
    if size.reports <= MOST_EXPORTED:
        with _watch(size, "export"):
            export(data, folder / "export", 0.0, 9e9)
    size.taken[SQLITE] = ingest(data)
    shutil.rmtree(data)


def _postgresql(size: Size, folder: Path) -> None:
    data = folder / "hub"
    data.mkdir()
    with loading.postgresql(folder) as url:
        (data / "collector.toml").write_text(f'store = "{url}"\n')
        with _watch(size, f"load {POSTGRESQL}"):
            loading.into_postgresql(folder, url)
        size.octets[POSTGRESQL] = loading.postgresql_octets(url)
        size.seconds[f"count hours {POSTGRESQL}"] = count_hours(data)
        _ask_all(size, Way(POSTGRESQL, partial(connected, data), folder / "pg" / "base" / "base"))
        size.taken[POSTGRESQL] = ingest(data)


def _ask_all(size: Size, way: Way) -> None:
    for asked in ASKED:
        if _is_asked(size, way, asked):
            size.times[asked.name, way.name] = found = measure(way, asked)
            _say(f"{size.reports} {way.name}: {asked.name}: {found}")


def _is_asked(size: Size, way: Way, asked: Asking) -> bool:
    # Patterns are looked for once, on SQLite.
    there = {DUCKDB: asked.served, POSTGRESQL: asked.question != "patterns", SQLITE: True}
    return there[way.name] and (size.observations or not asked.observed)


@contextmanager
def _watch(size: Size, what: str) -> Iterator[None]:
    since_s = time.perf_counter()
    yield
    size.seconds[what] = time.perf_counter() - since_s
    _say(f"{size.reports} {what}: {size.seconds[what]:.1f} s")


def _octets(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
