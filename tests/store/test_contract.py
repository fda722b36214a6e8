"""What every engine promises: what is answered is on disk, twice is once, and one bad order spares the others."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pe_agent.errors import UsageError
from pe_collector import quarantine, refusal, sites, store, tokens
from pe_collector.fleet import simulate_fleet
from pe_collector.server_side import store_events
from pe_collector.simulated.servers import server_events
from pe_collector.store.addresses import key_range
from pe_collector.store.catalog import columns_of, table_names
from pe_collector.store.engines import ENGINES
from pe_collector.store.store import Store
from pe_collector.store.tables import TABLES
from pe_collector.store.tables import event as event_table
from pe_collector.store.views import VIEWS, boots, reports
from pe_collector.store.where import parse_store
from pe_collector.upkeep.prune import Keep, prune
from pe_protos.v1 import report_pb2 as pb

NOW = 1_763_000_000.0


def arrived(number: int, token_id: str = "", serial: str = "") -> store.Arrived:
    hello = pb.Hello(protocol=1, report_id=number.to_bytes(16, "big"))
    hello.identity.serial, hello.identity.model = serial or f"SN{number:06}", "OptiPlex"
    return store.Arrived(hello, "test", token_id, NOW + number)


def events(report_id: str, count: int, detail: str = "eth0") -> list[store.Filed]:
    frames = [pb.Frame(sequence=n, event=pb.Event(kind="link-up", detail=detail)) for n in range(1, count + 1)]
    return [store.file_frame(report_id, frame, frame.SerializeToString()) for frame in frames]


def counted(folder: Path, table: sa.Table) -> int:
    with Store(folder) as opened:
        return opened.query(sa.select(sa.func.count().label("n")).select_from(table))[0]["n"]


@pytest.fixture
def opened(folder):
    with Store(folder) as made:
        yield made


def test_a_batch_is_there_when_it_returns(folder, opened):
    batch = [(a, events(a.report_id, 3)) for a in map(arrived, range(20))]
    answers = opened.put_batch(batch)
    assert [answer.stored_through for answer in answers] == [3] * 20
    with closing(store.open_reader(folder / store.FILE_NAME)) as other:
        assert other.execute("SELECT count(*) FROM event").fetchone()[0] == 60


def test_a_batch_that_comes_again_is_stored_once(folder, opened):
    batch = [(a, events(a.report_id, 3)) for a in map(arrived, range(20))]
    first, second = opened.put_batch(batch), opened.put_batch(batch)
    assert first == second
    assert (counted(folder, event_table), counted(folder, reports)) == (60, 20)


def test_batches_from_many_hands_all_arrive(folder, opened):
    batches = [[(a, events(a.report_id, 2)) for a in map(arrived, range(n, n + 10))] for n in range(0, 100, 5)]
    with ThreadPoolExecutor(8) as hands:
        assert len([*hands.map(opened.put_batch, batches)]) == len(batches)
    assert counted(folder, reports) == 105


def test_several_writers_share_a_database(folder, url):
    """Two of them with the same reports: nobody waits for ever, nothing is there twice."""
    with Store(folder) as one, Store(folder) as other, ThreadPoolExecutor(2) as hands:
        batches = [[(a, events(a.report_id, 4)) for a in map(arrived, range(n, n + 8))] for n in range(0, 64, 8)]
        both = [hands.submit(lambda at=at: [*map(at.put_batch, batches)]) for at in (one, other)]
        assert not wait(both, 120).not_done
        for done in both:
            assert len(done.result()) == 8
    assert (counted(folder, reports), counted(folder, event_table)) == (64, 256)


def test_a_frame_of_an_unknown_report_fails_alone(folder):
    with closing(store.Writer(store.create(folder))) as writer:
        known = arrived(1)
        writer.run(lambda connection: store.open_report(connection, known)).result(10)
        orders = [writer.put(events(known.report_id if n % 2 else "f" * 32, (n + 1) // 2)[-1]) for n in range(1, 41)]
        wait(orders, 30)
        assert [order.exception() is None for order in orders] == [n % 2 == 1 for n in range(1, 41)]


def test_what_a_step_raises_undoes_it_alone(folder):
    def wrong(connection):
        connection.execute("INSERT INTO token (token_id, secret_hash, name, created, expires) VALUES ('x','','',0,0)")
        raise UsageError("no")

    with closing(store.Writer(store.create(folder))) as writer:
        failed, made = writer.run(wrong), writer.run(lambda c: tokens.new_token(c, "good", NOW))
        assert isinstance(failed.exception(10), UsageError)
        assert made.result(10)
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        assert [row["name"] for row in tokens.list_tokens(connection)] == ["good"]


def test_a_reader_cannot_write(folder, opened):
    import sqlite3

    with closing(store.open_reader(folder / store.FILE_NAME)) as connection, pytest.raises(sqlite3.Error):
        connection.execute("DELETE FROM report")


def test_a_machine_is_known_again(folder, opened):
    same = [arrived(1, serial="ABC1234"), arrived(2, serial="ABC1234"), arrived(3, serial="XYZ9876")]
    opened.put_batch([(a, ()) for a in same])
    found = opened.query(sa.select(reports.c.report_id, reports.c.machine_id).order_by(reports.c.report_id))
    assert found[0]["machine_id"] == found[1]["machine_id"] != found[2]["machine_id"]


def test_another_machine_cannot_go_on_with_a_report(opened):
    opened.put_batch([(arrived(1, serial="ABC1234"), ())])
    with pytest.raises(refusal.Refused):
        opened.put_batch([(arrived(1, serial="XYZ9876"), ())])


def test_hostile_texts_are_stored(folder, opened):
    said = "a\0b 'quoted' \"twice\" %s ? :name \N{SNOWMAN} \U0001f4a5 \\ ; DROP TABLE report; --"
    a = arrived(1)
    opened.put_batch([(a, events(a.report_id, 1, said))])
    (row,) = opened.query(sa.select(event_table.c.detail))
    # No text holds a NUL in PostgreSQL; the octets of the frame still do.
    assert row["detail"].replace("\N{REPLACEMENT CHARACTER}", "\0") == said
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        octets = connection.execute("SELECT octets FROM frame WHERE sequence=1").fetchone()[0]
    assert pb.Frame.FromString(bytes(octets)).event.detail == said


def test_what_is_in_quarantine_is_hidden_and_comes_back(folder, opened):
    with closing(store.open_writer(folder / store.FILE_NAME)) as connection:
        token_id = tokens.new_token(connection, "bad", NOW).partition(".")[0]
        batch = [(a, events(a.report_id, 2)) for a in (arrived(n, token_id if n < 5 else "") for n in range(8))]
        opened.put_batch(batch)
        before = opened.query(sa.select(boots).order_by(boots.c.report_id))
        assert quarantine.hide(connection, token_id, 0.0, NOW) == 5
        assert (counted(folder, reports), counted(folder, event_table)) == (3, 6)
        with pytest.raises(refusal.Refused):
            opened.put_batch(batch[:1])
        assert quarantine.lift(connection, token_id, NOW + 1) == 5
    assert opened.query(sa.select(boots).order_by(boots.c.report_id)) == before


def test_sites_and_servers_events_are_stored(folder, opened):
    berlin = sites.SitePrefix(key_range("10.0.0.0/8"), "Berlin", "", "")
    made = list(simulate_fleet(1, 10, 10, NOW))
    with closing(store.open_writer(folder / store.FILE_NAME)) as connection:
        assert sites.store_sites(connection, [berlin]) == 0
        assert sites.site_of(connection, "10.1.2.3") == "Berlin"
        told = [*server_events(made, NOW)]
        assert store_events(connection, told) > 0
        assert store_events(connection, told) == 0


def test_prune_removes_what_is_old(folder, opened):
    opened.put_batch([(a, events(a.report_id, 2)) for a in map(arrived, range(10))])
    day = 86400.0
    done = prune(folder, Keep(day, day, day, day), NOW + 5 + day, pause=lambda _: None)
    assert done.failures == 5
    assert counted(folder, reports) == 5


def test_refusals_add_up(folder, opened):
    with closing(store.open_writer(folder / store.FILE_NAME)) as connection:
        for _ in range(2):
            refusal.note_refusals(connection, {refusal.Reason.GAP: 3}, NOW)
        assert refusal.refusal_counts(connection)[refusal.Reason.GAP] == 6


def test_the_tables_are_those_that_are_declared(folder, opened):
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        there = set(table_names(connection))
        assert {table.name for table in TABLES.sorted_tables} <= there
        for declared in (*TABLES.sorted_tables, *VIEWS.sorted_tables):
            assert list(columns_of(connection, declared.name)) == [column.name for column in declared.columns]


def test_it_is_there_only_after_it_was_made(url):
    place = parse_store(url)
    engine = ENGINES[place.engine]
    assert not engine.is_there(place.name)
    engine.create(place.name)
    engine.create(place.name)
    assert engine.is_there(place.name)
    assert engine.size_octets(place.name) > 0


def test_a_task_is_one_collectors_at_a_time(folder, opened):
    from pe_collector.store.database import Task, turn

    path = folder / store.FILE_NAME
    with turn(path, Task.LOOKING) as mine, turn(path, Task.TELLING) as other:
        assert mine
        assert other
    with turn(path, Task.LOOKING) as again:
        assert again


@pytest.mark.parametrize("told", ["mysql://x", "sqlite://x", "sqlite:///", "postgres", ""])
def test_what_is_no_store_is_refused(told):
    with pytest.raises(UsageError, match="is no store"):
        parse_store(told)


def test_a_password_is_not_shown():
    assert "secret" not in parse_store("postgresql://pe:secret@db.example/pe").shown
