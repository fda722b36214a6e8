"""Does a database of every released schema come to the newest one with all that is in it?"""

import sqlite3
from contextlib import closing

import pytest
from pe_collector import store
from pe_collector.store.migrations import MIGRATIONS

from tests.collector.upkeep.released import DUMPS, MACHINE_ID, REPORT_ID

SCHEMA = "SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"


def columns(connection):
    names = [row[1] for row in connection.execute(SCHEMA) if row[0] in ("table", "view")]
    return {name: connection.execute(f"PRAGMA table_info('{name}')").fetchall() for name in names}


def old_database(folder, name):
    with closing(sqlite3.connect(folder / store.FILE_NAME)) as connection:
        connection.executescript((DUMPS / f"{name}.sql").read_text(encoding="utf-8"))
    return folder


def test_every_migration_has_its_dump():
    assert sorted(path.stem for path in DUMPS.glob("*.sql")) == sorted(MIGRATIONS)


@pytest.mark.parametrize("name", MIGRATIONS)
def test_an_old_database_comes_to_the_newest_schema(tmp_path, name):
    (tmp_path / "fresh").mkdir()
    (tmp_path / "old").mkdir()
    fresh, old = store.create(tmp_path / "fresh"), store.create(old_database(tmp_path / "old", name))
    with closing(store.open_reader(fresh)) as one, closing(store.open_reader(old)) as other:
        assert [tuple(row) for row in other.execute(SCHEMA)] == [tuple(row) for row in one.execute(SCHEMA)]
        made = {table: [tuple(row) for row in rows] for table, rows in columns(other).items()}
        assert made == {table: [tuple(row) for row in rows] for table, rows in columns(one).items()}


@pytest.mark.parametrize("name", MIGRATIONS)
def test_what_was_stored_is_still_there(tmp_path, name):
    with closing(store.open_reader(store.create(old_database(tmp_path, name)))) as connection:
        report = connection.execute("SELECT machine_id, outcome, verdict, address, complete FROM reports").fetchone()
        assert tuple(report) == (MACHINE_ID, "fault", "wds-rpc-filtered", "10.1.2.3", 1)
        assert connection.execute("SELECT reason FROM observations").fetchone()[0] == "answered"
        assert connection.execute("SELECT data FROM log_chunk").fetchone()[0] == b"a line"
        assert connection.execute("SELECT serial FROM machines").fetchone()[0] == "S1"
        assert connection.execute("SELECT role FROM token").fetchone()[0] == "ingest"
        assert connection.execute("SELECT count(*) FROM frame WHERE report_id=?", (REPORT_ID,)).fetchone()[0] == 1


def test_a_migration_that_fails_leaves_the_old_database(tmp_path):
    old_database(tmp_path, MIGRATIONS[0])
    path = tmp_path / store.FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        # A table that a later migration wants to make.
        connection.execute("CREATE TABLE pattern (pattern_id TEXT)")
        connection.commit()
    with pytest.raises(store.StoreError, match="pattern"):
        store.create(tmp_path)
    with closing(store.open_reader(path)) as connection:
        assert connection.execute("SELECT count(*) FROM report").fetchone()[0] == 1
