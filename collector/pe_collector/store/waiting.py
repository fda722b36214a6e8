"""Which reports wait for the hub, where they are passed on? Kept as they come, so that nobody has to search."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from pe_collector.connection import Connection

_LACKS = "(f.report_id IS NULL OR (f.state='open' AND f.through<r.stored_through))"
_SIZE = (
    "(SELECT coalesce(sum(length(x.octets) + coalesce(length(b.octets), length(c.data), 0)), 0) FROM frame x "
    "LEFT JOIN log_chunk c ON c.report_id=x.report_id AND c.sequence=x.sequence "
    "LEFT JOIN log_blob b ON b.address=c.blob WHERE x.report_id={report_id})"
)
_GROWN = (
    "INSERT INTO forward_waiting SELECT r.report_id, r.received_at, ? FROM report r WHERE r.report_id=? "
    "AND NOT EXISTS (SELECT 1 FROM forward f WHERE f.report_id=r.report_id AND f.state='refused') "
    "ON CONFLICT (report_id) DO UPDATE SET octets=forward_waiting.octets+excluded.octets"
)
# The names and conditions are those above, here and below.
_MISSING = (
    "SELECT r.report_id FROM report r LEFT JOIN forward f ON f.report_id=r.report_id "  # noqa: S608
    "LEFT JOIN forward_waiting w ON w.report_id=r.report_id "
    f"WHERE r.report_id>? AND w.report_id IS NULL AND {_LACKS} ORDER BY r.report_id LIMIT ?"
)
_ADD = (
    f"INSERT INTO forward_waiting SELECT r.report_id, r.received_at, {_SIZE.format(report_id='r.report_id')} "  # noqa: S608
    "FROM json_each(?) CROSS JOIN report r ON r.report_id=value LEFT JOIN forward f ON f.report_id=r.report_id "
    f"WHERE {_LACKS} ON CONFLICT DO NOTHING"
)
_MEASURE = (
    f"UPDATE forward_waiting SET octets={_SIZE.format(report_id='forward_waiting.report_id')} "  # noqa: S608
    "WHERE report_id IN (SELECT value FROM json_each(?))"
)
_SETTLE = (
    "DELETE FROM forward_waiting WHERE report_id IN (SELECT value FROM json_each(?)) AND NOT EXISTS (SELECT 1 "  # noqa: S608
    "FROM report r LEFT JOIN forward f ON f.report_id=r.report_id WHERE r.report_id=forward_waiting.report_id "
    f"AND {_LACKS})"
)


def grown(connection: Connection, octets: Mapping[str, int]) -> None:
    """So many octets came for these reports; nothing where nobody passes them on. One the hub refused waits no more."""
    if octets and is_on(connection):
        connection.executemany(_GROWN, [(size, report_id) for report_id, size in octets.items()])


def settle(connection: Connection, report_ids: Collection[str]) -> None:
    """Those of these that the hub has, or does not want, wait no longer."""
    connection.execute(_SETTLE, (json.dumps([*report_ids]),))


def measure(connection: Connection, report_ids: Collection[str]) -> None:
    """Say anew what these take: something of them went."""
    connection.execute(_MEASURE, (json.dumps([*report_ids]),))


def is_on(connection: Connection) -> bool:
    """Whether somebody passes reports on."""
    return connection.execute("SELECT 1 FROM forward_on").fetchone() is not None


def begin(connection: Connection) -> bool:
    """From now on what comes waits; whether all that came before does too, else it is to be added."""
    connection.execute("INSERT INTO forward_on VALUES ('outbox',0) ON CONFLICT DO NOTHING")
    return bool(connection.execute("SELECT filled FROM forward_on").fetchone()[0])


def missing(reader: Connection, after: str, most: int) -> list[str]:
    """So many of the reports that came before, behind one of them in the order of their ids."""
    return [row[0] for row in reader.execute(_MISSING, (after, most))]


def add(connection: Connection, report_ids: Collection[str]) -> None:
    """Let these wait, if the hub still lacks something of them."""
    connection.execute(_ADD, (json.dumps([*report_ids]),))


def filled(connection: Connection) -> None:
    """All that came before was added."""
    connection.execute("UPDATE forward_on SET filled=1")


def end(connection: Connection) -> None:
    """Nobody passes reports on any more: nothing waits."""
    for table in ("forward_on", "forward_waiting"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our names
