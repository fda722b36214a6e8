"""Frames of many reports into the tables at once, each of them counted once."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection
from pe_collector.store.common_facts import bears_attributes, refresh_attributes
from pe_collector.store.derived import phase_columns
from pe_collector.store.observed import Answer, in_frames, in_table
from pe_collector.store.rates import mark
from pe_collector.store.rows import INSERTS, Filed, finite
from pe_collector.store.waiting import grown


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
    # Whether no frame but the hello was there before.
    in_one_piece: bool
    received_at: float

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


def store_frames(connection: Connection, frames: Sequence[Filed], now_s: float) -> dict[str, Stored]:
    """Insert frames inside the caller's transaction; says for each report how far it has come.

    Frames of a report that was never opened are left out, and so is it.
    """
    of_report: defaultdict[str, list[Filed]] = defaultdict(list)
    for frame in frames:
        of_report[frame.report_id].append(frame)
    progress = _read(connection, of_report)
    fresh = [
        frame
        for report_id, those in of_report.items()
        if report_id in progress
        for frame in progress[report_id].take(those)
    ]
    _insert(connection, fresh)
    came: Counter[str] = Counter()
    for frame in fresh:
        came[frame.report_id] += frame.size
    grown(connection, came)
    # Of all, for when their last record came changes too.
    mark(connection, [each.received_at for each in progress.values()])
    connection.executemany(
        "UPDATE report SET stored_through=?, stored_octets=?, complete=?, summary_sequence=?, last_frame_at=? "
        "WHERE report_id=?",
        [(p.through, p.octets, p.complete, p.summary_sequence, now_s, p.report_id) for p in progress.values()],
    )
    _derive(connection, fresh, progress)
    return {report_id: Stored(p.through, p.complete) for report_id, p in progress.items()}


def _derive(connection: Connection, fresh: Sequence[Filed], progress: Mapping[str, _Progress]) -> None:
    """What the report's row says of the frames."""
    bearing = {frame.report_id for frame in fresh if bears_attributes(frame)}
    verdicts = {
        frame.report_id: frame.summary
        for frame in fresh
        if frame.summary is not None and progress[frame.report_id].summary_sequence == frame.sequence
    }
    answers = in_frames(fresh)
    # What came in one piece needs not be read again.
    answers |= in_table(connection, [each for each in bearing | verdicts.keys() if not progress[each].in_one_piece])
    refresh_attributes(connection, bearing, answers)
    connection.executemany(
        "UPDATE report SET outcome=?, verdict=?, title=?, owner=?, advice=?, confidence=?, phases=?, phase=? "
        "WHERE report_id=?",
        [(*_verdict(summary, answers[report_id]), report_id) for report_id, summary in verdicts.items()],
    )


def _read(connection: Connection, report_ids: Collection[str]) -> dict[str, _Progress]:
    """One question for all reports of a commit: each question costs a turn at the interpreter's lock."""
    wanted = json.dumps(list(report_ids))
    rows = connection.execute(
        "SELECT report_id, stored_through, stored_octets, summary_sequence, received_at FROM json_each(?) "
        "CROSS JOIN report ON report_id=value",
        (wanted,),
    )
    progress = {row[0]: _Progress(row[0], row[1], row[2], row[3], set(), row[1] == 0, row[4]) for row in rows}
    # Only a carried report with a damaged record has frames behind a gap.
    behind = connection.execute(
        "SELECT frame.report_id, sequence FROM json_each(?) CROSS JOIN report ON report.report_id=value "
        "CROSS JOIN frame ON frame.report_id=report.report_id AND sequence>stored_through",
        (wanted,),
    )
    for report_id, sequence in behind:
        progress[report_id].present.add(sequence)
        progress[report_id].in_one_piece = False
    return progress


def _insert(connection: Connection, fresh: Sequence[Filed]) -> None:
    rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for frame in fresh:
        rows["frame"].append((frame.report_id, frame.sequence, frame.body, frame.octets))
        if frame.table:
            rows[frame.table].append(frame.row)
        if frame.blob is not None:
            rows["log_blob"].append(frame.blob)
    for table, those in rows.items():
        connection.executemany(INSERTS[table], those)
    removed: Counter[tuple[str, str, str]] = Counter()
    for frame in fresh:
        for one in frame.redacted:
            # A text without NUL, as every engine can keep it: two places must not become one only there.
            removed[frame.report_id, one.place.replace("\0", "\N{REPLACEMENT CHARACTER}"), one.rule] += one.values
    # Each key once: in PostgreSQL one statement cannot change a row twice.
    connection.executemany(
        "INSERT INTO redaction VALUES (?,?,?,?) ON CONFLICT (report_id, place, rule) DO UPDATE SET "
        "removed=redaction.removed+excluded.removed",
        [(*key, values) for key, values in removed.items()],
    )


def _verdict(summary: pb.Summary, answers: Sequence[Answer]) -> tuple[str | float | None, ...]:
    words = (summary.status or "unknown", summary.finding_id, summary.title, summary.owner, summary.advice)
    return *words, finite(summary.confidence), *phase_columns(answers, words[0], words[1])
