"""What is worked out once for a report that has its verdict, so that no question has to do it again and again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator

from pe_collector.connection import Connection
from pe_collector.store.common_facts import refresh_attributes
from pe_collector.store.phases import Seen, cells_of, first_failed, to_text

_AT_ONCE = 500
# Of a boot's reports the newest speaks.
_SPEAKERS = (
    "UPDATE report SET speaks=CASE WHEN report_id=(SELECT other.report_id FROM report other WHERE "
    "other.boot_key=report.boot_key ORDER BY other.received_at DESC, other.report_id DESC LIMIT 1) THEN 1 ELSE 0 END"
)


def refresh_phases(connection: Connection, report_ids: Collection[str]) -> None:
    """Work out the phases of these reports; those without a verdict are left alone."""
    if not report_ids:
        return
    wanted = json.dumps(sorted(report_ids))
    verdicts = connection.execute(
        "SELECT report_id, outcome, verdict FROM json_each(?) CROSS JOIN report ON report_id=value "
        "WHERE summary_sequence IS NOT NULL",
        (wanted,),
    ).fetchall()
    seen: defaultdict[str, list[Seen]] = defaultdict(list)
    for report_id, *observed in connection.execute(
        "SELECT report_id, probe, outcome, reason FROM json_each(?) CROSS JOIN observation ON report_id=value",
        (wanted,),
    ):
        seen[report_id].append(Seen(*observed))
    cells = [(cells_of(seen[report_id], status, finding), report_id) for report_id, status, finding in verdicts]
    connection.executemany(
        "UPDATE report SET phases=?, phase=? WHERE report_id=?",
        [(to_text(found), first_failed(found), report_id) for found, report_id in cells],
    )


def choose_speakers(connection: Connection, boot_keys: Collection[str]) -> None:
    """Let the newest report of each of these boots speak for it: reports of them have come or gone."""
    connection.execute(f"{_SPEAKERS} WHERE boot_key IN (SELECT value FROM json_each(?))", (json.dumps([*boot_keys]),))  # noqa: S608


def fill_all(connection: Connection) -> None:
    """Work out everything anew for all stored reports, as the migration that adds the columns must."""
    connection.execute(_SPEAKERS)
    for report_ids in _in_parts(connection):
        refresh_attributes(connection, report_ids)
        refresh_phases(connection, report_ids)


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
