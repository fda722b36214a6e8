"""What does a chunk of a log hold? Each content is kept once, under the SHA-256 of its octets."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from pe_collector.connection import Connection, Row
from pe_collector.store.catalog import columns_of

_AT_ONCE = 200
# Chunks of reports in quarantine stand there.
_HOLDERS = ("log_chunk", "quarantined_log_chunk")


def octets_of(connection: Connection, chunk: Row) -> bytes:
    """What a row of log_chunk holds; its columns `data` and `blob` are needed."""
    if chunk["blob"] is None:
        return bytes(chunk["data"])
    row = connection.execute("SELECT octets FROM log_blob WHERE address=?", (chunk["blob"],)).fetchone()
    return bytes(row["octets"]) if row else b""


def sizes_at(connection: Connection, addresses: Collection[str]) -> dict[str, int]:
    """How many octets are under each of these addresses."""
    rows = connection.execute(
        "SELECT address, length(octets) FROM log_blob WHERE address IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(addresses)),),
    )
    return {row[0]: row[1] for row in rows}


def drop_unheld(connection: Connection, pause: Callable[[], None]) -> int:
    """Remove what no chunk holds any more, a few at a time; says how much that was."""
    dropped, last = 0, ""
    while True:
        # Asked inside: a chunk that comes between question and answer keeps its octets.
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(
            "SELECT address FROM log_blob WHERE address>? ORDER BY address LIMIT ?", (last, _AT_ONCE)
        )
        addresses = [row[0] for row in rows]
        unheld = drop_if_unheld(connection, addresses)
        connection.execute("COMMIT")
        if not addresses:
            return dropped
        dropped, last = dropped + unheld, addresses[-1]
        if unheld:
            pause()


def drop_if_unheld(connection: Connection, addresses: Collection[str]) -> int:
    """Remove those of these that no chunk holds, inside the caller's transaction; how many."""
    unheld = sorted(set(addresses) - _held(connection, addresses))
    connection.executemany("DELETE FROM log_blob WHERE address=?", [(address,) for address in unheld])
    return len(unheld)


def _held(connection: Connection, addresses: Collection[str]) -> set[str]:
    held: set[str] = set()
    for table in _HOLDERS:
        if "blob" in columns_of(connection, table):
            # The names are those above.
            asked = f"SELECT blob FROM {table} WHERE blob IN (SELECT value FROM json_each(?))"  # noqa: S608
            held |= {row[0] for row in connection.execute(asked, (json.dumps(sorted(addresses)),))}
    return held
