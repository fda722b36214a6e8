"""What is worked out once for a report that has its verdict, so that no question has to do it again and again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator

from pe_collector.connection import Connection
from pe_collector.store.common_facts import refresh_attributes
from pe_collector.store.observed import Answer, Answers, in_table
from pe_collector.store.phases import Seen, cells_of, first_failed, to_text
from pe_collector.store.rates import mark_boots

_AT_ONCE = 500
# Of a boot's reports the newest speaks.
_SPEAKERS = (
    "UPDATE report SET speaks=CASE WHEN report_id=(SELECT other.report_id FROM report other WHERE "
    "other.boot_key=report.boot_key ORDER BY other.received_at DESC, other.report_id DESC LIMIT 1) THEN 1 ELSE 0 END"
)


def phase_columns(answers: Iterable[Answer], status: str, finding: str) -> tuple[str, str]:
    """The values of the columns `phases` and `phase` for a report with this verdict."""
    found = cells_of((Seen(answer.probe, answer.outcome, answer.reason) for answer in answers), status, finding)
    return to_text(found), first_failed(found)


def _refresh_phases(connection: Connection, report_ids: Collection[str], answers: Answers) -> None:
    """Work out the phases of these reports; those without a verdict are left alone."""
    verdicts = connection.execute(
        "SELECT report_id, outcome, verdict FROM json_each(?) CROSS JOIN report ON report_id=value "
        "WHERE summary_sequence IS NOT NULL",
        (json.dumps(sorted(report_ids)),),
    ).fetchall()
    connection.executemany(
        "UPDATE report SET phases=?, phase=? WHERE report_id=?",
        [
            (*phase_columns(answers.get(report_id, ()), status, finding), report_id)
            for report_id, status, finding in verdicts
        ],
    )


def boots_of(connection: Connection, report_ids: Collection[str]) -> set[str]:
    """The boots that these reports are of; asked before they go."""
    asked = "SELECT DISTINCT boot_key FROM json_each(?) CROSS JOIN report ON report_id=value"
    return {row[0] for row in connection.execute(asked, (json.dumps([*report_ids]),))}


def choose_speakers(connection: Connection, boot_keys: Collection[str]) -> None:
    """Let the newest report of each of these boots speak for it: reports of them have come or gone."""
    mark_boots(connection, boot_keys)
    connection.execute(f"{_SPEAKERS} WHERE boot_key IN (SELECT value FROM json_each(?))", (json.dumps([*boot_keys]),))  # noqa: S608


def fill_all(connection: Connection) -> None:
    """Work out everything anew for all stored reports, as the migration that adds the columns must."""
    connection.execute(_SPEAKERS)
    for report_ids in _in_parts(connection):
        answers = in_table(connection, report_ids)
        refresh_attributes(connection, report_ids, answers)
        _refresh_phases(connection, report_ids, answers)


def _in_parts(connection: Connection) -> Iterator[list[str]]:
    last = ""
    while True:
        rows = connection.execute(
            "SELECT report_id FROM report WHERE report_id>? ORDER BY report_id LIMIT ?", (last, _AT_ONCE)
        )
        part = [report_id for (report_id,) in rows]
        if not part:
            return
        yield part
        last = part[-1]
