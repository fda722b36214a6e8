"""Which tables and columns does the database have? Each engine keeps that in its own place."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from pe_collector.connection import Connection

_TABLES = {
    True: "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name",
    False: "SELECT table_name FROM information_schema.tables WHERE table_schema=current_schema() "
    "AND table_type='BASE TABLE' ORDER BY table_name",
}
_COLUMNS = {
    True: "SELECT name, type FROM pragma_table_info(?) ORDER BY cid",
    False: "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid=to_regclass(?) "
    "AND attnum>0 AND NOT attisdropped ORDER BY attnum",
}
_APPLIED = {
    True: "SELECT name FROM _sqlite_migrations WHERE migration_set='pe_collector'",
    False: "SELECT name FROM schema_migration",
}


def table_names(connection: Connection) -> list[str]:
    """All tables, in order of their names."""
    return [row[0] for row in connection.execute(_TABLES[is_sqlite(connection)])]


def columns_of(connection: Connection, table: str) -> Mapping[str, str]:
    """Column -> its type in the engine's own words; none for a table that is not there."""
    return {row[0]: row[1] for row in connection.execute(_COLUMNS[is_sqlite(connection)], (table,))}


def applied_migrations(connection: Connection) -> set[str]:
    """Names of the steps that the schema has taken."""
    return {row[0] for row in connection.execute(_APPLIED[is_sqlite(connection)])}


def is_sqlite(connection: Connection) -> bool:
    """Whether this is the embedded engine."""
    return isinstance(connection, sqlite3.Connection)
