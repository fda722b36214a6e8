"""A step that was inserted before one that some database has: it is taken afterwards, and the end is the same."""

import sqlite3
from contextlib import closing

from pe_collector import store
from pe_collector.store.catalog import applied_migrations
from pe_collector.store.migrations import MIGRATIONS

from tests.collector.upkeep.released import DUMPS
from tests.collector.upkeep.test_migrations import SCHEMA, columns

# As a version made it that had 0009 and had never heard of 0008.
EARLY = DUMPS / "inserted" / "0009_forwarding.sql"


def test_a_database_that_has_0009_takes_0008_afterwards(tmp_path):
    (tmp_path / "fresh").mkdir()
    with closing(sqlite3.connect(tmp_path / store.FILE_NAME)) as connection:
        connection.executescript(EARLY.read_text(encoding="utf-8"))
        before = applied_migrations(connection)
        assert "0009_forwarding" in before
        assert "0008_log_blobs" not in before
    fresh, old = store.create(tmp_path / "fresh"), store.create(tmp_path)
    with closing(store.open_reader(fresh)) as one, closing(store.open_reader(old)) as other:
        assert applied_migrations(other) == set(MIGRATIONS)
        assert [tuple(row) for row in other.execute(SCHEMA)] == [tuple(row) for row in one.execute(SCHEMA)]
        made = {table: [tuple(row) for row in rows] for table, rows in columns(other).items()}
        assert made == {table: [tuple(row) for row in rows] for table, rows in columns(one).items()}
        assert tuple(other.execute("SELECT data, blob FROM log_chunk").fetchone()) == (b"a line", None)
