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
    """Remove what no chunk holds any more, a few at a time; says how much that was.

    Nobody who writes waits while it looks, only for each removal.
    """
    for table in _holders(connection):
        index_blobs(connection, table)
    dropped, last = 0, ""
    while addresses := _unheld_after(connection, last):
        connection.execute("BEGIN IMMEDIATE")
        # Asked again inside: a chunk that came meanwhile keeps its octets.
        dropped += drop_if_unheld(connection, addresses)
        connection.execute("COMMIT")
        last = addresses[-1]
        pause()
    return dropped


def index_blobs(connection: Connection, table: str) -> None:
    """Let the chunks of an address be found in a table that has them; without `blob` it has none."""
    if "blob" in columns_of(connection, table):
        # The names are our own, here and below.
        connection.execute(f"CREATE INDEX IF NOT EXISTS {table}_by_blob ON {table} (blob) WHERE blob IS NOT NULL")


def _unheld_after(connection: Connection, last: str) -> list[str]:
    held = "".join(
        f" AND NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.blob=log_blob.address)"  # noqa: S608
        for table in _holders(connection)
    )
    asked = f"SELECT address FROM log_blob WHERE address>?{held} ORDER BY address LIMIT ?"  # noqa: S608
    return [row[0] for row in connection.execute(asked, (last, _AT_ONCE))]


def drop_if_unheld(connection: Connection, addresses: Collection[str]) -> int:
    """Remove those of these that no chunk holds, inside the caller's transaction; how many."""
    unheld = sorted(set(addresses) - _held(connection, addresses))
    connection.executemany("DELETE FROM log_blob WHERE address=?", [(address,) for address in unheld])
    return len(unheld)


def _held(connection: Connection, addresses: Collection[str]) -> set[str]:
    held: set[str] = set()
    for table in _holders(connection):
        asked = f"SELECT blob FROM {table} WHERE blob IN (SELECT value FROM json_each(?))"  # noqa: S608
        held |= {row[0] for row in connection.execute(asked, (json.dumps(sorted(addresses)),))}
    return held


def _holders(connection: Connection) -> list[str]:
    return [table for table in _HOLDERS if "blob" in columns_of(connection, table)]
