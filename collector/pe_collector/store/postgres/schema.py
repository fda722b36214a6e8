"""The schema on PostgreSQL: made by the same migrations as on SQLite, each applied once."""

from __future__ import annotations

import time
from collections.abc import Mapping

from pe_collector.connection import Connection
from pe_collector.store.catalog import applied_migrations
from pe_collector.store.migrations import MIGRATIONS, statements_of
from pe_collector.store.postgres.dialect import schema_statement, search_vector

# Lists come as JSON, as SQLite takes them; PostgreSQL has that function for values of its own kind json only.
_BEFORE = (
    """CREATE OR REPLACE FUNCTION json_each(list text) RETURNS TABLE (key bigint, value text)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 50 AS
    'SELECT place - 1, word FROM json_array_elements_text(list::json) WITH ORDINALITY AS each (word, place)'""",
    "CREATE TABLE IF NOT EXISTS schema_migration (name TEXT PRIMARY KEY, applied_at DOUBLE PRECISION NOT NULL)",
)
# What follows a migration here only.
_AFTER = {"0004_questions": (f"CREATE INDEX log_line_search ON log_line USING gin ({search_vector('text')})",)}


# A view that PostgreSQL would refuse, and that a later step made anew. Rows lie by the time they came here, so that an
# index over a period saves little, and one of columns that change while a report comes would cost each of its indexes.
_SKIPPED: Mapping[str, str | tuple[str, ...]] = {
    "0001_reports": "CREATE VIEW",
    "0004_questions": "DROP VIEW",
    "0012_hours": ("DROP INDEX", "CREATE INDEX"),
}


def migrate(connection: Connection) -> None:
    """Bring the database to the newest schema; several collectors may start at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _BEFORE:
            connection.execute(statement)
        known = applied_migrations(connection)
        for name in MIGRATIONS:
            if name not in known:
                _apply(connection, name)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _apply(connection: Connection, name: str) -> None:
    for statement in (*map(schema_statement, statements_of(name)), *_AFTER.get(name, ())):
        if statement and not statement.startswith(_SKIPPED.get(name, "--")):
            connection.execute(statement)
    connection.execute("INSERT INTO schema_migration VALUES (?,?)", (name, time.time()))
