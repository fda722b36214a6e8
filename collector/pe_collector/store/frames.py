"""Frames of many reports into the tables at once, each of them counted once."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pe_protos.v1 import report_pb2 as pb

from pe_collector.attributes import attributes_of
from pe_collector.store.database import StoreError
from pe_collector.store.rows import INSERTS, Filed, finite


@dataclass(frozen=True, slots=True)
class Stored:
    """How far a report is on disk without a gap, and whether nothing of it is missing."""

    stored_through: int
    complete: bool


@dataclass(slots=True)
class _Progress:
    """What the report's row says, and will say."""

    report_id: str
    through: int
    octets: int
    summary_sequence: int | None
    present: set[int]

    def take(self, frames: Iterable[Filed]) -> list[Filed]:
        """Those frames that are not there yet, the first of each number; moves on as far as there is no gap."""
        fresh = []
        for frame in frames:
            if frame.sequence <= self.through or frame.sequence in self.present:
                continue
            self.present.add(frame.sequence)
            self.octets += frame.size
            if frame.summary is not None and self.summary_sequence is None:
                self.summary_sequence = frame.sequence
            fresh.append(frame)
        while self.through + 1 in self.present:
            self.through += 1
        return fresh

    @property
    def complete(self) -> bool:
        return self.summary_sequence is not None and self.summary_sequence <= self.through


def store_frames(connection: sqlite3.Connection, frames: Sequence[Filed], now_s: float) -> dict[str, Stored]:
    """Insert frames inside the caller's transaction; says for each report how far it has come.

    Raises:
        StoreError: a frame of a report that was never opened.
    """
    of_report: defaultdict[str, list[Filed]] = defaultdict(list)
    for frame in frames:
        of_report[frame.report_id].append(frame)
    progress = {report_id: _read(connection, report_id) for report_id in of_report}
    fresh = [frame for report_id, those in of_report.items() for frame in progress[report_id].take(those)]
    _insert(connection, fresh)
    connection.executemany(
        "UPDATE report SET stored_through=?, stored_octets=?, complete=?, summary_sequence=?, last_frame_at=? "
        "WHERE report_id=?",
        [(p.through, p.octets, p.complete, p.summary_sequence, now_s, p.report_id) for p in progress.values()],
    )
    for frame in fresh:
        if frame.summary is not None and progress[frame.report_id].summary_sequence == frame.sequence:
            _summarise(connection, frame.report_id, frame.summary)
    for report_id in {f.report_id for f in fresh if f.table == "observation"}:
        refresh_attributes(connection, report_id)
    return {report_id: Stored(p.through, p.complete) for report_id, p in progress.items()}


def refresh_attributes(connection: sqlite3.Connection, report_id: str) -> None:
    """Work out a report's attributes anew from its hello and observations."""
    hello = connection.execute("SELECT octets FROM frame WHERE report_id=? AND sequence=0", (report_id,)).fetchone()
    rows = connection.execute(
        "SELECT probe, facts FROM observation WHERE report_id=? AND outcome<>'skipped' ORDER BY sequence", (report_id,)
    )
    observed = [(row["probe"], json.loads(row["facts"])) for row in rows]
    found = attributes_of(pb.Frame.FromString(hello["octets"]).hello, observed)
    columns = (json.dumps(found), found.get("address"), found.get("subnet"), found.get("server"), found.get("image"))
    connection.execute(
        "UPDATE report SET attributes=?, address=?, prefix=?, server=?, image=? WHERE report_id=?",
        (*columns, report_id),
    )


def _read(connection: sqlite3.Connection, report_id: str) -> _Progress:
    row = connection.execute(
        "SELECT stored_through, stored_octets, summary_sequence FROM report WHERE report_id=?", (report_id,)
    ).fetchone()
    if row is None:
        raise StoreError(f"report {report_id} was never opened")
    # Only a carried report with a damaged record has frames behind a gap.
    behind = connection.execute(
        "SELECT sequence FROM frame WHERE report_id=? AND sequence>?", (report_id, row["stored_through"])
    )
    present = {number for (number,) in behind}
    return _Progress(report_id, row["stored_through"], row["stored_octets"], row["summary_sequence"], present)


def _insert(connection: sqlite3.Connection, fresh: Sequence[Filed]) -> None:
    rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for frame in fresh:
        rows["frame"].append((frame.report_id, frame.sequence, frame.body, frame.octets))
        if frame.table:
            rows[frame.table].append(frame.row)
    for table, those in rows.items():
        connection.executemany(INSERTS[table], those)


def _summarise(connection: sqlite3.Connection, report_id: str, summary: pb.Summary) -> None:
    words = (summary.status or "unknown", summary.finding_id, summary.title, summary.owner, summary.advice)
    connection.execute(
        "UPDATE report SET outcome=?, verdict=?, title=?, owner=?, advice=?, confidence=? WHERE report_id=?",
        (*words, finite(summary.confidence), report_id),
    )
