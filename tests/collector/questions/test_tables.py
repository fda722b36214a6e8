"""Do the declared tables, the migrations and the documented views say the same, and are old reports brought along?"""

import re
import sqlite3
import time
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
from pe_collector import simulated, store
from pe_collector.store.derived import fill_all
from pe_collector.store.migrations import MIGRATIONS
from pe_collector.store.tables import TABLES
from pe_collector.store.views import VIEWS
from sqlalchemy import Float, Integer, LargeBinary, Text

DOCS = Path(__file__).parents[3] / "docs" / "sql.md"
TYPES = {"TEXT": Text, "INTEGER": Integer, "REAL": Float, "BLOB": LargeBinary}
# Not asked by questions: the parts of full-text search, and what sqlite-utils notes.
OF_THE_ENGINE = re.compile(r"log_search.*|sqlite_.*|_sqlite_migrations|quarantined_.*")


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    with closing(sqlite3.connect(store.create(tmp_path_factory.mktemp("schema")))) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def columns_of(schema, name):
    return [dict(row) for row in schema.execute("SELECT * FROM pragma_table_info(?)", (name,))]


def names(schema, kind):
    found = {row["name"] for row in schema.execute("SELECT name FROM sqlite_master WHERE type=?", (kind,))}
    return {name for name in found if not OF_THE_ENGINE.fullmatch(name)}


@pytest.mark.parametrize("table", TABLES.sorted_tables, ids=lambda table: table.name)
def test_a_declared_table_is_the_migrated_one(schema, table):
    rows = columns_of(schema, table.name)
    assert [row["name"] for row in rows] == [column.name for column in table.columns]
    assert [type(column.type) for column in table.columns] == [TYPES[row["type"]] for row in rows]
    assert [row["name"] for row in rows if row["pk"]] == [column.name for column in table.primary_key]
    for row, column in zip(rows, table.columns, strict=True):
        if not row["pk"]:
            assert bool(row["notnull"]) == (not column.nullable), column.name


def test_every_migrated_table_is_declared(schema):
    assert names(schema, "table") == set(TABLES.tables)


def test_every_view_is_declared_with_its_columns(schema):
    assert names(schema, "view") == set(VIEWS.tables)
    for view in VIEWS.sorted_tables:
        assert [row["name"] for row in columns_of(schema, view.name)] == [c.name for c in view.columns], view.name


def documented():
    """View -> its columns, as docs/sql.md lists them."""
    found = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `(\w+)`.*", line):
            found[heading[1]] = []
        elif (row := re.match(r"\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", line)) and found:
            assert row[2].strip(), line
            list(found.values())[-1].append(row[1])
    return found


def test_the_documents_list_every_view_and_column(schema):
    views = {name: [row["name"] for row in columns_of(schema, name)] for name in names(schema, "view")}
    assert documented() == views


def test_every_migration_file_is_run():
    files = {
        f.name.removesuffix(".sql") for f in resources.files("pe_collector.store").iterdir() if f.name.endswith(".sql")
    }
    assert set(MIGRATIONS) == files
    assert list(MIGRATIONS) == sorted(MIGRATIONS)


DERIVED = (
    "report_id, address_key, model, nic, nic_driver, switch, switch_port, link_to_address_s, phase, phases, speaks, "
    "site"
)


def derived(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {DERIVED} FROM report ORDER BY report_id").fetchall()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    simulated.fill(folder, time.time(), boots=60)
    return folder


def test_what_is_worked_out_at_ingest_is_worked_out_the_same_later(small):
    path = small / store.FILE_NAME
    before = derived(path)
    assert sum(row[-2] for row in before) <= len(before)
    with closing(store.open_writer(path)) as connection:
        connection.execute(
            "UPDATE report SET address_key=NULL, model=NULL, nic=NULL, nic_driver=NULL, switch=NULL, switch_port=NULL, "
            "link_to_address_s=NULL, phase='', phases='', speaks=1, site=NULL"
        )
        fill_all(connection)
    assert derived(path) == before


OLD = (
    "report",
    "frame",
    "observation",
    "event",
    "finding",
    "log_chunk",
    "machine",
    "machine_mark",
    "clash",
    "server_event",
)


def test_a_database_of_before_is_brought_along_with_its_reports(small, tmp_path):
    """The schema of the first three migrations, filled, is what an older collector leaves."""
    path = tmp_path / store.FILE_NAME
    with closing(sqlite3.connect(path)) as old:
        for name in MIGRATIONS[:3]:
            old.executescript(resources.files("pe_collector.store").joinpath(f"{name}.sql").read_text(encoding="utf-8"))
        old.execute(
            "CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)"
        )
        done = [("pe_collector", name, "2026-11-01T00:00:00") for name in MIGRATIONS[:3]]
        old.executemany("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?,?,?)", done)
        old.commit()
        old.execute("ATTACH ? AS new", (str(small / store.FILE_NAME),))
        for table in OLD:
            shared = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"INSERT INTO main.{table} ({shared}) SELECT {shared} FROM new.{table}")
        old.commit()
    store.create(tmp_path)
    without_site = [row[:-1] for row in derived(small / store.FILE_NAME)]
    assert [row[:-1] for row in derived(path)] == without_site
    with closing(sqlite3.connect(path)) as connection:
        (waiting,) = connection.execute("SELECT count(*) FROM log_waiting").fetchone()
        (with_logs,) = connection.execute("SELECT count(DISTINCT report_id) FROM log_chunk").fetchone()
    assert waiting == with_logs
