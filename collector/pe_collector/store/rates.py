"""Of which hours has changed what is counted of them? Said by everything that stores, changes or removes reports."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from pe_collector.connection import Connection

HOUR_S, DAY_S = 3600, 86400
_MARK = (
    "INSERT INTO rate_hour VALUES (?,?,?,?) ON CONFLICT (hour_at) DO UPDATE SET times=rate_hour.times+excluded.times"
)
_OF_REPORTS = "SELECT received_at FROM json_each(?) CROSS JOIN report ON report_id=value"
_OF_BOOTS = "SELECT received_at FROM json_each(?) CROSS JOIN report ON boot_key=value"


def start_of(at_s: float, width_s: int = HOUR_S) -> int:
    """When the hour, or the day (UTC), of a time begins."""
    return int(at_s // width_s) * width_s


def mark(connection: Connection, received_at: Iterable[float]) -> None:
    """Something changed that is counted of reports received then; inside the transaction that changes it."""
    connection.executemany(_MARK, [(hour_at, 1, 0, 0) for hour_at in sorted(set(map(start_of, received_at)))])


def mark_reports(connection: Connection, report_ids: Collection[str]) -> None:
    """These reports change: asked before they go, or after they came."""
    mark(connection, [row[0] for row in connection.execute(_OF_REPORTS, (json.dumps([*report_ids]),))])


def mark_boots(connection: Connection, boot_keys: Collection[str]) -> None:
    """Another report may speak for these boots."""
    mark(connection, [row[0] for row in connection.execute(_OF_BOOTS, (json.dumps([*boot_keys]),))])


def mark_all(connection: Connection) -> None:
    """Every report changes."""
    connection.execute("UPDATE rate_hour SET times=times+1")
