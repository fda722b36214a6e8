"""Does the writer answer only for what is on disk, and does one bad order spare the others?"""

import sqlite3
import struct
import threading
from concurrent.futures import Future, wait
from contextlib import closing

import pytest
from pe_agent.errors import UsageError
from pe_collector import store
from pe_protos.v1 import report_pb2 as pb


@pytest.fixture
def path(tmp_path):
    return store.create(tmp_path)


@pytest.fixture
def writer(path):
    opened = store.Writer(path, lambda: 1000.0)
    yield opened
    opened.close()


def opened(writer, number):
    hello = pb.Hello(protocol=1, report_id=bytes(15) + bytes([number]))
    arrived = store.Arrived(hello, "test", "", 1000.0)
    writer.run(lambda connection: store.open_report(connection, arrived)).result(10)
    return arrived.report_id


def filed(report_id, sequence, detail=""):
    frame = pb.Frame(sequence=sequence, event=pb.Event(kind="link-up", detail=detail))
    return store.file_frame(report_id, frame, frame.SerializeToString())


def test_the_database_is_made_for_durable_commits(path):
    with closing(store.open_writer(path)) as connection:
        asked = ("journal_mode", "synchronous", "page_size")
        assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked] == ["wal", 2, 8192]


def test_making_it_again_changes_nothing(path):
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    assert store.create(path.parent) == path
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name, sql FROM sqlite_master").fetchall() == before


def test_an_answer_means_another_connection_sees_it(path, writer):
    report_id = opened(writer, 1)
    with closing(store.open_reader(path)) as reader:
        for sequence in range(1, 50):
            answer = writer.put(filed(report_id, sequence)).result(10)
            count = reader.execute("SELECT count(*) FROM event").fetchone()[0]
            assert (answer.stored_through, count) == (sequence, sequence)


def test_frames_that_cannot_be_made_fail_alone(writer):
    report_id = opened(writer, 1)
    bad, good = Future(), Future()

    def broken():
        raise KeyError("a fault of ours")

    writer.bring(bad, broken, None)
    writer.bring(good, lambda: (filed(report_id, 1),), None)
    assert good.result(10).stored_through == 1
    with pytest.raises(store.StoreError, match="a fault of ours"):
        bad.result(10)


def test_a_frame_of_an_unknown_report_fails_alone(writer):
    known = opened(writer, 1)
    orders = [writer.put(filed(known if n % 2 else "f" * 32, (n + 1) // 2)) for n in range(1, 101)]
    wait(orders, 20)
    for number, order in enumerate(orders, start=1):
        failure = order.exception()
        assert (failure is None) == (number % 2 == 1), number
        assert failure is None or isinstance(failure, store.StoreError)
    assert orders[98].result().stored_through == 50


def test_what_a_step_raises_undoes_it_alone(path, writer):
    def wrong(connection):
        connection.execute("INSERT INTO token (token_id, secret_hash, name, created, expires) VALUES ('x','','',0,0)")
        raise UsageError("no")

    report_id = opened(writer, 1)
    failed, kept = writer.run(wrong), writer.put(filed(report_id, 1))
    assert isinstance(failed.exception(10), UsageError)
    assert kept.result(10).stored_through == 1
    with closing(store.open_reader(path)) as reader:
        assert reader.execute("SELECT count(*) FROM token").fetchone()[0] == 0


def ordered_together(writer, orders):
    """Give orders while the writer is busy, so that they come into one commit; what they were answered."""
    begun, go_on = threading.Event(), threading.Event()
    writer.run(lambda _: (begun.set(), go_on.wait(30)))
    assert begun.wait(30)
    told = [order() for order in orders]
    go_on.set()
    wait(told, 30)
    return told


class Commits:
    """Hears of commits of frames, and counts them."""

    def __init__(self):
        self.frames = []

    def committed(self, frames, _waited_s):
        self.frames.append(len(frames))


@pytest.mark.parametrize("fault", [KeyError("ours"), RecursionError(), MemoryError(), TypeError("no"), struct.error()])
def test_whatever_a_step_raises_the_writer_goes_on(path, writer, fault):
    def wrong(connection):
        connection.execute("INSERT INTO token (token_id, secret_hash, name, created, expires) VALUES ('x','','',0,0)")
        raise fault

    report_id = opened(writer, 1)
    failed, kept = ordered_together(writer, [lambda: writer.run(wrong), lambda: writer.put(filed(report_id, 1))])
    assert isinstance(failed.exception(10), store.StoreError)
    assert kept.result(10).stored_through == 1
    assert writer.put(filed(report_id, 2)).result(10).stored_through == 2
    assert writer.is_moving()
    with closing(store.open_reader(path)) as reader:
        assert reader.execute("SELECT count(*) FROM token").fetchone()[0] == 0


def test_a_frame_that_no_table_takes_fails_alone(writer):
    report_id = opened(writer, 1)
    # Values that no engine knows: a fault of ours that only the engine meets.
    broken = filed(report_id, 2)._replace(row=(object(),) * 7)
    bad, good = ordered_together(writer, [lambda: writer.put(broken), lambda: writer.put(filed(report_id, 1))])
    assert isinstance(bad.exception(10), store.StoreError)
    assert good.result(10).stored_through == 1


def test_what_cannot_be_counted_or_heard_is_stored_all_the_same(path):
    class Broken:
        def committed(self, *_):
            raise ZeroDivisionError

        set_result = set_exception = committed

    with closing(store.Writer(path, lambda: 1000.0, Broken())) as writer:
        report_id = opened(writer, 1)
        writer.order(Broken(), (filed(report_id, 1),))
        assert writer.put(filed(report_id, 2)).result(10).stored_through == 2


def test_a_report_that_was_never_opened_does_not_part_the_commit_of_the_others(path):
    commits = Commits()
    with closing(store.Writer(path, lambda: 1000.0, commits)) as writer:
        ids = [opened(writer, number) for number in range(1, 100)]
        told = [lambda r=report_id: writer.put(filed(r, 1)) for report_id in (*ids[:50], "f" * 32, *ids[50:])]
        answers = ordered_together(writer, told)
        failed = answers.pop(50)
        assert isinstance(failed.exception(), store.StoreError)
        assert "never opened" in str(failed.exception())
        assert [answer.result().stored_through for answer in answers] == [1] * 99
    assert commits.frames == [99]


def test_what_is_brought_beside_a_bad_order_is_made_once_and_stored(path):
    made = []

    def bringing(number):
        arrived = store.Arrived(pb.Hello(protocol=1, report_id=bytes(15) + bytes([number])), "test", "", 1000.0)

        def file():
            made.append(number)
            return (filed(arrived.report_id, 1), filed(arrived.report_id, 2))

        def order():
            done = Future()
            writer.bring(done, file, arrived)
            return done

        return order

    with closing(store.Writer(path, lambda: 1000.0)) as writer:
        broken = filed(opened(writer, 99), 1)._replace(row=(object(),) * 7)
        told = [*map(bringing, range(1, 6)), lambda: writer.put(broken), *map(bringing, range(6, 9))]
        answers = ordered_together(writer, told)
        assert isinstance(answers.pop(5).exception(), store.StoreError)
        assert [answer.result().stored_through for answer in answers] == [2] * 8
    # Redaction knows what went before: frames that are tried again must not go through it twice.
    assert made == [*range(1, 9)]
    with closing(store.open_reader(path)) as reader:
        assert reader.execute("SELECT count(*), count(DISTINCT report_id) FROM event").fetchone()[:] == (16, 8)


def test_a_writer_that_is_stuck_or_gone_is_not_moving(writer, monkeypatch):
    assert writer.is_moving()
    begun, go_on = threading.Event(), threading.Event()
    writer.run(lambda _: (begun.set(), go_on.wait(30)))
    assert begun.wait(10)
    assert writer.is_moving()
    monkeypatch.setattr("pe_collector.store.writer.STUCK_S", 0.0)
    assert not writer.is_moving()
    go_on.set()
    writer.run(lambda _: None).result(10)
    writer.close()
    assert not writer.is_moving()


def test_closing_stores_what_waits_and_takes_nothing_more(path):
    writer = store.Writer(path, lambda: 1000.0)
    report_id = opened(writer, 1)
    orders = [writer.put(filed(report_id, n)) for n in range(1, 2001)]
    writer.close()
    assert orders[-1].result(0).stored_through == 2000
    assert isinstance(writer.put(filed(report_id, 2001)).exception(0), store.StoreError)


def test_the_first_of_two_frames_with_one_number_stays(path, writer):
    report_id = opened(writer, 1)
    wait([writer.put(filed(report_id, 1, "first")), writer.put(filed(report_id, 1, "second"))])
    with closing(store.open_reader(path)) as reader:
        assert [row["detail"] for row in reader.execute("SELECT detail FROM event")] == ["first"]


def test_a_disk_without_room_fails_the_order_and_not_the_writer(path, writer):
    report_id = opened(writer, 1)
    full = writer.run(lambda c: c.execute(f"PRAGMA max_page_count={c.execute('PRAGMA page_count').fetchone()[0]}"))
    full.result(10)
    failure = writer.put(filed(report_id, 1, "x" * 30_000)).exception(10)
    assert isinstance(failure, store.StoreError)
    assert "full" in str(failure)
    writer.run(lambda c: c.execute("PRAGMA max_page_count=1000000")).result(10)
    assert writer.put(filed(report_id, 1)).result(10).stored_through == 1


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 100, 300])
def test_many_rows_are_counted_as_sqlite3_counts_them(path, rows):
    insert = "INSERT INTO machine_mark VALUES (?,?,?) ON CONFLICT DO NOTHING"
    # Every third is there twice, so fewer rows are added than were brought.
    marks = [("mac", str(number - (number % 3 == 2)), "m") for number in range(rows)]
    with closing(store.open_writer(path)) as ours, closing(sqlite3.connect(path, isolation_level=None)) as plain:
        added = []
        for connection in (ours, plain):
            added.append(connection.executemany(insert, marks).rowcount)
            connection.execute("DELETE FROM machine_mark")
    assert added == [rows - rows // 3, added[0]]
