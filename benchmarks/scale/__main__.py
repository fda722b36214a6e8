"""Questions and ingest at several sizes, on SQLite, PostgreSQL and DuckDB over Parquet, in one run.

    python -m benchmarks.scale --sizes 10k,100k,1M,10M --results DIR [--folder DIR] [--out docs/benchmarks-scale.md]

Needs some 20 GB of disk for 10M. What is in `--results` is not measured again: what was cut off goes on with the engine
it was at. `--sizes ''` prints the page of what is there. Not part of the tests.
"""

from __future__ import annotations

import argparse
import os
import pickle
import platform
import sqlite3
import tempfile
from pathlib import Path

import duckdb
from pe_collector.store.where import VARIABLE

from benchmarks.scale.fleet import count_of
from benchmarks.scale.run import Size, measured
from benchmarks.scale.table import page


def main() -> None:
    """Measure everything, write the page after each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10k,100k,1M,10M")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="Where there is room.")
    parser.add_argument("--results", type=Path, required=True, help="Keeps each size, so that sizes can be run apart.")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    os.environ.pop(VARIABLE, None)
    told.results.mkdir(parents=True, exist_ok=True)

    def done(size: Size) -> None:
        _kept(told.results, size.reports).write_bytes(pickle.dumps((size, _machine())))
        _write(told.results, told.out)

    for number in map(count_of, filter(None, told.sizes.split(","))):
        size = _known(told.results, number)
        with tempfile.TemporaryDirectory(prefix="pe-scale-", dir=told.folder) as name:
            Path(name).chmod(0o755)
            measured(Path(name) / "fleet", size, done)
    _write(told.results, told.out)


def _kept(results: Path, reports: int) -> Path:
    return results / f"{reports}.pickle"


def _known(results: Path, reports: int) -> Size:
    """What is known of a size from an earlier run; nothing when there was none."""
    path = _kept(results, reports)
    known: Size = pickle.loads(path.read_bytes())[0] if path.exists() else Size(reports)  # noqa: S301 - our own
    return known


def _write(results: Path, out: Path | None) -> None:
    """The page of all sizes that are known."""
    known = [pickle.loads(path.read_bytes()) for path in results.glob("*.pickle")]  # noqa: S301 - our own
    text = page(sorted(known, key=lambda each: each[0].reports))
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        print(text)


def _machine() -> str:
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, DuckDB {duckdb.__version__}"
    return f"{os.cpu_count()} processors, {versions}, PostgreSQL 15, load {load}"


if __name__ == "__main__":
    main()
