"""What a report has in common with others, kept in its row and worked out anew when an answer bears on it."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from pe_protos.v1 import report_pb2 as pb

from pe_collector.attributes import Observed, attributes_of, probes
from pe_collector.store.rows import Filed

COLUMNS = ("attributes", "address", "prefix", "server", "image")
_PROBE_COLUMN = 2


def bears_attributes(frame: Filed) -> bool:
    """Whether a frame can change the attributes of its report."""
    return frame.table == "observation" and frame.row[_PROBE_COLUMN] in probes()


def attribute_columns(hello: pb.Hello, observed: Observed) -> tuple[str | None, ...]:
    """The values of COLUMNS."""
    found = attributes_of(hello, observed)
    return json.dumps(found), found.get("address"), found.get("subnet"), found.get("server"), found.get("image")


def refresh_attributes(connection: sqlite3.Connection, report_ids: Collection[str]) -> None:
    """Work out the attributes of these reports from their hellos and observations."""
    if not report_ids:
        return
    wanted = json.dumps(sorted(report_ids))
    hellos = connection.execute(
        "SELECT report_id, octets FROM json_each(?) CROSS JOIN frame ON report_id=value AND sequence=0", (wanted,)
    ).fetchall()
    observed = _observed(connection, wanted)
    rows = [(*attribute_columns(pb.Frame.FromString(row[1]).hello, observed[row[0]]), row[0]) for row in hellos]
    connection.executemany(
        "UPDATE report SET attributes=?, address=?, prefix=?, server=?, image=? WHERE report_id=?", rows
    )


def _observed(connection: sqlite3.Connection, wanted: str) -> Mapping[str, Observed]:
    rows = connection.execute(
        "SELECT report_id, probe, facts FROM json_each(?) CROSS JOIN observation ON report_id=value "
        "WHERE outcome<>'skipped' ORDER BY report_id, sequence",
        (wanted,),
    )
    observed: defaultdict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for report_id, probe, facts in rows:
        if probe in probes():
            observed[report_id].append((probe, json.loads(facts)))
    return observed
