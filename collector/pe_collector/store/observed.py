"""What did a report's probes say? From the rows that are just coming in, or from the table."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from pe_collector.connection import Connection
from pe_collector.store.rows import Filed


class Answer(NamedTuple):
    """What one probe said; `facts` is JSON as the table holds it."""

    probe: str
    outcome: str
    reason: str
    facts: str


Answers = Mapping[str, list[Answer]]


def in_frames(frames: Iterable[Filed]) -> defaultdict[str, list[Answer]]:
    """The answers of each report in these frames."""
    answers: defaultdict[str, list[Answer]] = defaultdict(list)
    for frame in frames:
        if frame.table == "observation":
            _, _, probe, _, outcome, reason, _, _, facts = frame.row
            answers[frame.report_id].append(Answer(probe, outcome, reason, facts))
    return answers


def in_table(connection: Connection, report_ids: Collection[str]) -> defaultdict[str, list[Answer]]:
    """The answers that these reports have stored, in their order."""
    answers: defaultdict[str, list[Answer]] = defaultdict(list)
    if not report_ids:
        return answers
    rows = connection.execute(
        "SELECT report_id, probe, outcome, reason, facts FROM json_each(?) CROSS JOIN observation ON report_id=value "
        "ORDER BY report_id, sequence",
        (json.dumps(sorted(report_ids)),),
    )
    for report_id, *answer in rows:
        answers[report_id].append(Answer(*answer))
    return answers
