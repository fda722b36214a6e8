"""What does a look cost in a store of so many reports: the first one, one where nothing came, and one where some did?

    python -m benchmarks.correlation.stored [--reports 10M] [--folder DIR]

The fleet of `benchmarks.scale`, 30 days, one fault in the last six hours; ten million take 21 GB of disk and ten
minutes to fill. Beside it in the same run: the newest 200,000 reports whole and nothing older. Each in a process of
its own. Not part of the tests.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pe_collector import store
from pe_collector.findings.filters import Filters
from pe_collector.findings.look import Look
from pe_collector.findings.window import MOST_SERVED, Window
from pe_collector.store.folding import start_anew
from pe_collector.store.rates import mark_reports

from benchmarks.scale import fleet, loading

_BEFORE = 200_000
_TIMES = 5
_NEWEST = "SELECT report_id FROM report ORDER BY received_at DESC LIMIT 200"
_GO_ON = f"UPDATE report SET stored_octets=stored_octets+1 WHERE report_id IN ({_NEWEST})"  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class Way:
    """How to look: at how many whole reports, and since when (Unix seconds)."""

    name: str
    most: int
    since_s: float = 0.0


def main() -> None:
    """Fill a store and look at it both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", default="10M")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="Where there is room.")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pe-stored-", dir=told.folder) as name:
        made, data = Path(name) / "fleet", Path(name) / "data"
        data.mkdir()
        fleet.make(made, fleet.count_of(told.reports), observations=False)
        loading.into_sqlite(made, data)
        compare(data / store.FILE_NAME)


def compare(path: Path) -> None:
    """Print a row for each way, each measured by a process of its own."""
    with closing(store.open_writer(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        start_anew(writer)
        writer.execute("COMMIT")
        newest = "SELECT received_at FROM report ORDER BY received_at DESC LIMIT 1 OFFSET ?"
        before_s = writer.execute(newest, (_BEFORE - 1,)).fetchone()
    ways = [Way("as `serve` looks", MOST_SERVED)]
    if before_s is not None:
        ways.append(Way("the newest 200,000 and nothing older", _BEFORE, before_s[0]))
    print("| look | boots | first: CPU s | wall s | nothing came: ms | 200 reports went on: CPU s | wall s | MB |")
    print("|---|---|---|---|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for line in pool.imap(row_of, [(path, way) for way in ways], chunksize=1):
            print(line, flush=True)


def row_of(asked: tuple[Path, Way]) -> str:
    """The row of one way to look; the patterns found as a second line."""
    path, way = asked
    window = Window(way.most, Filters(since_s=way.since_s))
    seen, *first = _timed(path, window)
    idle_ms = statistics.median(1000.0 * _timed(path, window)[2] for _ in range(_TIMES))
    later = []
    for _ in range(_TIMES):
        with closing(store.open_writer(path)) as writer:
            writer.execute(_GO_ON)
            mark_reports(writer, [row[0] for row in writer.execute(_NEWEST)])
        later.append(_timed(path, window)[1:])
    cpu_s, wall_s = (statistics.median(each) for each in zip(*later, strict=True))
    figures = f"{first[0]:.1f} | {first[1]:.1f} | {idle_ms:.0f} | {cpu_s:.2f} | {wall_s:.2f} | {_most_mb():.0f}"
    found = "".join(f"\n  {dict(one.conditions)} {one.counts} since {one.onset_s}" for one in seen.patterns)
    return f"| {way.name} | {len(seen.seen.places):,} | {figures} |{found}"


def _most_mb() -> float:
    """The most memory that this process ever had; `getrusage` would count what its parent had when it began."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def _timed(path: Path, window: Window) -> tuple[Look, float, float]:
    """A look, its processor seconds and its seconds."""
    with closing(store.open_reader(path)) as reader:
        cpu_s, since_s = time.process_time(), time.perf_counter()
        seen = window.look(reader)
        return seen, time.process_time() - cpu_s, time.perf_counter() - since_s


if __name__ == "__main__":
    main()
