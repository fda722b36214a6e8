"""What waits for the hub is known without looking at what it has, from whenever a collector passes reports on."""

from contextlib import closing

import pytest
from pe_collector import quarantine, store
from pe_collector.leaf.outbox import OPEN, REFUSED, Noted, backlog, due, noting
from pe_collector.leaf.shedding import shed_some, waiting_octets
from pe_collector.simulated import filling
from pe_collector.store import waiting
from pe_collector.store.frames import store_frames
from pe_collector.tokens import new_token
from pe_protos.v1 import report_pb2 as pb

NOW = 1_763_000_000.0
STEPS_AT_ONCE = 50


@pytest.fixture
def empty(tmp_path):
    with closing(store.open_writer(store.create(tmp_path))) as connection:
        yield connection


def name_of(number):
    return number.to_bytes(16, "big").hex()


def come(connection, number, frames=2, token_id=""):
    hello = pb.Hello(protocol=1, report_id=number.to_bytes(16, "big"), identity=pb.Identity(serial=f"S{number}"))
    store.open_report(connection, store.Arrived(hello, "here", token_id, NOW + number))
    told = [pb.Frame(sequence=n, event=pb.Event(kind="link-up")) for n in range(1, frames + 1)]
    store_frames(connection, [store.file_frame(name_of(number), f, f.SerializeToString()) for f in told], NOW)


def wait(connection):
    return [int(report.report_id, 16) for report in due(connection, 1000)]


def note(connection, number, through, state=OPEN):
    noting([Noted(name_of(number), through, state)], NOW)(connection)


def test_nothing_waits_where_nothing_is_passed_on(empty):
    come(empty, 1)
    assert (wait(empty), backlog(empty).reports) == ([], 0)


def test_what_came_before_waits_too_but_for_what_the_hub_has(empty):
    for number in range(1, 8):
        come(empty, number)
    note(empty, 2, 2)
    note(empty, 3, 1)
    note(empty, 4, 2, REFUSED)
    assert waiting.begin(empty) is False
    come(empty, 8)
    after, found = "", []
    while report_ids := waiting.missing(empty, after, 2):
        waiting.add(empty, report_ids)
        after, found = report_ids[-1], found + report_ids
    assert [int(name, 16) for name in found] == [1, 3, 5, 6, 7]
    assert wait(empty) == [1, 3, 5, 6, 7, 8]
    waiting.filled(empty)
    assert waiting.begin(empty) is True


def test_what_was_counted_as_it_came_is_what_is_found_afterwards(empty):
    waiting.begin(empty)
    come(empty, 1, 2)
    come(empty, 1, 5)
    counted = waiting_octets(empty)
    waiting.measure(empty, [name_of(1)])
    assert counted == waiting_octets(empty) > 0


def test_a_report_that_grew_meanwhile_waits_on(empty):
    waiting.begin(empty)
    come(empty, 1, 2)
    come(empty, 1, 4)
    note(empty, 1, 2)
    assert [(report.through, report.stored_through) for report in due(empty, 9)] == [(2, 4)]
    note(empty, 1, 4)
    assert wait(empty) == []
    come(empty, 1, 5)
    assert wait(empty) == [1]


def test_what_the_hub_refused_waits_no_more_however_it_grows(empty):
    waiting.begin(empty)
    come(empty, 1, 2)
    note(empty, 1, 2, REFUSED)
    come(empty, 1, 4)
    assert wait(empty) == []


def test_what_is_hidden_waits_again_when_it_is_shown(empty):
    waiting.begin(empty)
    new_token(empty, "t", NOW)
    empty.execute("UPDATE token SET token_id='t'")
    come(empty, 1, token_id="t")
    quarantine.hide(empty, "t", 0.0, NOW)
    assert wait(empty) == []
    quarantine.lift(empty, "t", NOW)
    assert wait(empty) == [1]


def test_nothing_waits_any_more_when_nobody_passes_it_on(empty):
    waiting.begin(empty)
    come(empty, 1)
    waiting.end(empty)
    come(empty, 2)
    assert wait(empty) == []
    assert not waiting.begin(empty)


def steps_of(connection, ask):
    """How much of the database's work a question is, in steps of its machine."""
    steps = []
    connection.set_progress_handler(lambda: steps.append(STEPS_AT_ONCE), STEPS_AT_ONCE)
    try:
        ask(connection)
    finally:
        connection.set_progress_handler(None, 0)
    return sum(steps)


@pytest.mark.parametrize(
    "ask", [lambda c: due(c, 64), backlog, waiting_octets, lambda c: shed_some(c, 1 << 40, NOW)],
    ids=["due", "backlog", "octets", "shed"],
)  # fmt: skip
def test_what_the_hub_has_costs_nothing(tmp_path, ask):
    filling.fill(tmp_path, NOW, boots=300)
    with closing(store.open_writer(tmp_path / store.FILE_NAME)) as connection:
        connection.execute("INSERT INTO forward SELECT report_id, stored_through, 'open', '', 0 FROM report")
        waiting.begin(connection)
        come(connection, 1)
        assert wait(connection) == [1]
        assert steps_of(connection, ask) < 300
