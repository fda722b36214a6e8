"""How does history leave the database? As Parquet files, one a table and UTC day, from any engine of the store.

`DIR/TABLE/day=2026-11-22/part-0.parquet`; `DIR/manifest.json` says how many rows each file has and what they were made
of. A day whose rows did not change is not written again, so an export that was cut off goes on, and one that runs
every night follows late reports and quarantine. What the database has pruned stays.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pe_collector.analytics.engine import duckdb, quoted
from pe_collector.analytics.parts import PARTS, Part
from pe_collector.questions import connected
from pe_collector.store.errors import StoreError
from pe_collector.store.functions import whole_part
from pe_collector.store.migrations import MIGRATIONS
from pe_collector.store.tables import hidden_report, machine, report

MANIFEST = "manifest.json"
FILE = "part-0.parquet"
WHOLE = ""
REPAIR = "bring a damaged file back from a copy, or delete it and export again what the database still has"
_MARK = b"PAR1"
_DAY_S = 86400
_LAST_DAY = 2_900_000
_AT_ONCE = 2000
_ROW_OCTETS = 256 << 20
_BOTH = "SELECT * FROM fresh UNION ALL BY NAME SELECT * FROM read_parquet({old}, hive_partitioning=false) WHERE {stays}"


@dataclass(frozen=True, slots=True)
class Exported:
    """Files that were written, and those that had all already; rows of the written ones."""

    written: int
    unchanged: int
    rows: int


def export(folder: Path, out: Path, since_s: float, until_s: float) -> Exported:
    """Export the days that a period (Unix seconds) touches, and the tables without a day.

    Raises:
        UsageError: there is no collector in `folder`, or no DuckDB.
        StoreError: a file cannot be read or written; those before it stay.
    """
    engine = duckdb()
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _export(folder, out, (since_s, until_s))
    except (OSError, engine.Error) as exc:
        said = str(exc).partition("\n")[0]
        raise StoreError(
            f"{out}: not exported: {said}; what was written before stays, the next export goes on"
        ) from exc


def _export(folder: Path, out: Path, period: tuple[float, float]) -> Exported:
    written = unchanged = rows = 0
    with connected(folder) as source, contextlib.closing(duckdb().connect()) as target:
        manifest = Manifest(out)
        for part in PARTS:
            for day in _days(source, part, manifest, period):
                count = _Day(source, target, manifest, part, day).write()
                written, unchanged = written + (count is not None), unchanged + (count is None)
                rows += count or 0
        manifest.save()
    return Exported(written, unchanged, rows)


class Manifest:
    """What was exported, and of what it was made."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._path = out / MANIFEST
        self.tables: dict[str, dict[str, dict[str, Any]]] = {}
        # Without it, or with one that the power cut off, every file is looked at again.
        with contextlib.suppress(FileNotFoundError, ValueError):
            self.tables = json.loads(self._path.read_text(encoding="utf-8"))["tables"]

    def alike(self, part: Part) -> bool:
        """Whether all files of a part have the same columns; a later version gives it more."""
        return len({said["columns"] for said in self.tables.get(part.name, {}).values()}) <= 1

    def save(self) -> None:
        """Replace it, whole."""
        text = json.dumps({"schema": MIGRATIONS[-1], "tables": self.tables}, indent=1, sort_keys=True)
        with _replacing(self._path, durable=False) as path:
            path.write_text(text + "\n", encoding="utf-8")


def _days(source: sa.Connection, part: Part, manifest: Manifest, period: tuple[float, float]) -> list[str]:
    """Days with rows, now or in an earlier export."""
    if not part.moment:
        return [WHOLE]
    moment = part.table.c[part.moment]
    within = (moment >= _start(period[0]), moment < period[1])
    number = whole_part(moment / _DAY_S)
    numbers = source.execute(sa.select(number).where(*within).distinct()).scalars()
    now = {_named(int(each)) for each in numbers if 0 <= each < _LAST_DAY}
    before = {day for day in manifest.tables.get(part.name, {}) if period[0] - _DAY_S < _begin_s(day) < period[1]}
    return sorted(now | before)


def _start(since_s: float) -> float:
    """The day in which a period begins is exported whole."""
    return since_s // _DAY_S * _DAY_S


def _named(number: int) -> str:
    return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=number))


def _begin_s(day: str) -> int:
    return (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days * _DAY_S


@dataclass(frozen=True, slots=True)
class _Day:
    """One file of the export: a table's rows of a day, or all of them."""

    source: sa.Connection
    target: Any
    manifest: Manifest
    part: Part
    day: str

    @property
    def path(self) -> Path:
        """The file."""
        folder = self.manifest.out / self.part.name
        return (folder / f"day={self.day}" if self.day else folder) / FILE

    def write(self) -> int | None:
        """How many rows it has now; None when nothing had changed."""
        before = self.manifest.tables.setdefault(self.part.name, {})
        for folder in (self.manifest.out / self.part.name, self.path.parent):
            folder.mkdir(exist_ok=True, mode=0o700)
        with _temporary(self.manifest.out) as fresh:
            made_of = _spill(fresh, self._rows(), self.part.columns)
            _must_be_whole(self.path)
            if self.path.exists() and before.get(self.day, {}).get("sha256") == made_of:
                return None
            count = self._copy(fresh)
        before[self.day] = {"rows": count, "sha256": made_of, "columns": len(self.part.columns)}
        self.manifest.save()
        return count

    def _within(self, moment: sa.Column[Any]) -> tuple[sa.ColumnElement[bool], ...]:
        begin_s = _begin_s(self.day)
        return moment >= begin_s, moment < begin_s + _DAY_S

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        table, moment = self.part.table, self.part.moment
        order = [table.c[name] for name in ((moment,) if moment else ()) + self.part.key]
        chosen = sa.select(table).order_by(*order)
        return _streamed(self.source, chosen.where(*self._within(table.c[moment])) if moment else chosen)

    def _known(self) -> Iterator[Mapping[str, Any]]:
        """Reports, or machines, of which the database itself says what they are, or that they are hidden."""
        if "report_id" not in self.part.columns:
            return _streamed(self.source, sa.select(machine.c.machine_id))
        of_day = sa.select(report.c.report_id).where(*self._within(report.c.received_at))
        return _streamed(self.source, sa.union_all(of_day, sa.select(hidden_report.c.report_id)))

    def _copy(self, fresh: Path) -> int:
        """Write the file from rows in `fresh` and what stays of its predecessor; how many rows."""
        with contextlib.ExitStack() as stack:
            chosen = _chosen("fresh", fresh, self.part.columns)
            if self.part.stays and self.path.exists():
                known = stack.enter_context(_temporary(self.manifest.out))
                name = {"report_id": "VARCHAR"} if "report_id" in self.part.columns else {"machine_id": "VARCHAR"}
                _spill(known, self._known(), name)
                chosen += (
                    f", {_chosen('known', known, name)} {_BOTH.format(old=quoted(self.path), stays=self.part.stays)}"
                )
            else:
                chosen += " SELECT * FROM fresh"
            written = stack.enter_context(_replacing(self.path))
            copied = self.target.execute(
                f"COPY (WITH {chosen}) TO {quoted(written)} (FORMAT parquet, COMPRESSION zstd)"
            )
            return int(copied.fetchone()[0])


def _must_be_whole(path: Path) -> None:
    """Refuse a file that was cut off or overwritten: what the database has pruned is nowhere else."""
    if not path.exists():
        return
    with path.open("rb") as file:
        begin = file.read(len(_MARK))
        file.seek(max(0, path.stat().st_size - len(_MARK)))
        if (begin, file.read()) != (_MARK, _MARK):
            raise StoreError(f"{path} is damaged: {REPAIR}")


def _streamed(source: sa.Connection, chosen: sa.Executable) -> Iterator[Mapping[str, Any]]:
    rows = source.execution_options(stream_results=True, max_row_buffer=_AT_ONCE).execute(chosen)
    return (dict(row) for row in rows.mappings())


def _spill(path: Path, rows: Iterator[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Write rows as lines of JSON; the SHA-256 of them and of the columns they have."""
    made_of = hashlib.sha256(json.dumps(columns).encode())
    with path.open("wb") as lines:
        for row in rows:
            line = json.dumps(row).encode() + b"\n"
            made_of.update(line)
            lines.write(line)
    return made_of.hexdigest()


def _chosen(name: str, path: Path, columns: Mapping[str, str]) -> str:
    """A common table expression of that name: the rows of a file of JSON lines."""
    kinds = ", ".join(f"{quoted(column)}: {quoted(kind)}" for column, kind in columns.items())
    told = (
        f"format='newline_delimited', columns={{{kinds}}}, maximum_object_size={_ROW_OCTETS}, hive_partitioning=false"
    )
    return f"{name} AS (SELECT * FROM read_json({quoted(path)}, {told}))"  # noqa: S608 - all quoted


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """The name of a file that nobody else reads, gone afterwards."""
    number, name = tempfile.mkstemp(".tmp", dir=folder)
    os.close(number)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A file to write that takes the place of `path` whole once the block ends well; if `durable`, on the disk."""
    with _temporary(path.parent) as made:
        yield made
        made.chmod(0o600)
        if durable:
            _to_disk(made)
        made.replace(path)
        if durable:
            _to_disk(path.parent)


def _to_disk(place: Path) -> None:
    number = os.open(place, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
