"""What no chunk holds goes, and whoever writes meanwhile hardly notices."""

import sqlite3
from contextlib import closing

import pytest
from pe_collector import store
from pe_collector.store.blobs import drop_unheld

CHUNK = "INSERT INTO log_chunk VALUES (?,?,'X:\\a.log',0,'',1,1,x'',x'',?)"
PAUSES = []


def paused():
    PAUSES.append(1)


@pytest.fixture
def path(tmp_path):
    """A thousand contents: every second one is held by a chunk, every fourth by one in quarantine."""
    made = store.create(tmp_path)
    with closing(store.open_writer(made)) as connection:
        connection.executemany("INSERT INTO log_blob VALUES (?,?)", [(f"{n:04}", b"x") for n in range(1000)])
        connection.executemany(CHUNK, [("r", n, f"{n:04}") for n in range(0, 1000, 2)])
        connection.execute("CREATE TABLE quarantined_log_chunk AS SELECT * FROM log_chunk WHERE 1=0")
        hidden = [("q", n, f"{n:04}") for n in range(1, 1000, 4)]
        connection.executemany(CHUNK.replace("log_chunk", "quarantined_log_chunk"), hidden)
    PAUSES.clear()
    return made


def test_what_is_held_by_nobody_goes_with_a_pause_after_each_portion(path):
    with closing(store.open_writer(path)) as connection:
        assert drop_unheld(connection, paused) == 250
        assert len(PAUSES) == 2
        assert drop_unheld(connection, paused) == 0
        left = [int(row[0]) for row in connection.execute("SELECT address FROM log_blob ORDER BY address")]
    assert left == [n for n in range(1000) if n % 4 != 3]


def test_looking_through_what_is_held_waits_for_nobody_who_writes(path):
    with closing(store.open_writer(path)) as connection:
        drop_unheld(connection, paused)
        with closing(store.open_writer(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA busy_timeout=0")
            assert drop_unheld(connection, paused) == 0
            other.execute("ROLLBACK")


def test_a_chunk_that_comes_between_question_and_removal_keeps_its_octets(path):
    with closing(store.open_writer(path)) as connection, closing(store.open_writer(path)) as other:
        drop_unheld(connection, paused)
        other.execute("DELETE FROM log_chunk WHERE blob='0002'")

        def come(statement):
            if statement == "BEGIN IMMEDIATE":
                other.execute(CHUNK, ("late", 1, "0002"))

        connection.set_trace_callback(come)
        assert drop_unheld(connection, paused) == 0
        connection.set_trace_callback(None)
        assert connection.execute("SELECT count(*) FROM log_blob WHERE address='0002'").fetchone()[0] == 1


@pytest.mark.parametrize("table", ["log_chunk", "quarantined_log_chunk"])
def test_holders_are_found_by_an_index(path, table):
    with closing(store.open_writer(path)) as connection:
        drop_unheld(connection, paused)
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT blob FROM {table} WHERE blob IN ('a','b')").fetchall()
    assert [row["detail"] for row in plan] == [f"SEARCH {table} USING COVERING INDEX {table}_by_blob (blob=?)"]


def test_without_a_quarantine_there_is_nothing_to_ask_there(path):
    with closing(store.open_writer(path)) as connection:
        connection.execute("DROP TABLE quarantined_log_chunk")
        assert drop_unheld(connection, paused) == 500
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            connection.execute("SELECT * FROM quarantined_log_chunk")
