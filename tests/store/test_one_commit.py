"""What comes into one commit, on every engine: as if it had come one after the other."""

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pe_collector import store
from pe_collector.refusal import Refused
from pe_collector.store.opening import Through, open_reports
from pe_collector.store.rows import Removed
from pe_collector.store.store import Store
from pe_protos.v1 import report_pb2 as pb

from tests.collector.test_opening import arrivals, check_together

NOW = 1_763_000_000.0


def filed(report_id, sequence, *removed, detail=""):
    frame = pb.Frame(sequence=sequence, event=pb.Event(kind="link-up", detail=detail))
    return store.file_frame(report_id, frame, frame.SerializeToString(), removed)


def arrived(number, **told):
    return store.Arrived(pb.Hello(protocol=1, report_id=number.to_bytes(16, "big")), "test", "", NOW, **told)


@pytest.fixture
def path(folder):
    return store.create(folder)


def test_a_rule_that_removed_in_several_frames_adds_up(folder):
    one, other = arrived(1), arrived(2)
    with Store(folder) as opened:
        frames = [
            filed(one.report_id, n, Removed("X:\\a.log", "password", 2), Removed("event", "key", 1)) for n in (1, 2)
        ]
        frames.append(filed(one.report_id, 3, Removed("a\0b", "password", 1), Removed("a\ufffdb", "password", 1)))
        answers = opened.put_batch([(one, frames), (other, [filed(other.report_id, 1, Removed("event", "key", 1))])])
        again = opened.put_batch([(one, [filed(one.report_id, 4, Removed("event", "key", 5))])])
    assert [answer.stored_through for answer in (*answers, *again)] == [3, 1, 4]
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        asked = "SELECT report_id, place, rule, removed FROM redaction ORDER BY report_id, place, rule"
        kept = [tuple(row) for row in connection.execute(asked)]
    first = one.report_id
    assert sorted(kept) == sorted(
        [
            (first, "X:\\a.log", "password", 4),
            (first, "a\ufffdb", "password", 2),
            (first, "event", "key", 7),
            (other.report_id, "event", "key", 1),
        ]
    )


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(arrivals(), max_size=8), st.lists(arrivals(), max_size=3))
def test_together_is_as_one_by_one(path, told, before):
    check_together(path, told, before)


def test_of_two_parcels_of_one_report_the_last_says_who_passed_it_on(path):
    told = [arrived(1, through=Through(leaf, at_s)) for leaf, at_s in (("a", 1.0), ("b", 2.0))]
    with closing(store.open_writer(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        open_reports(connection, told)
        connection.execute("COMMIT")
        rows = [tuple(row) for row in connection.execute("SELECT report_id, peer, arrived_at FROM forwarded")]
    assert rows == [(told[0].report_id, "b", 2.0)]


def test_parcels_of_one_report_that_come_together_have_its_bound_together(path):
    told = [arrived(number, octets=60, most_octets=100) for number in (1, 2, 1)]
    with closing(store.open_writer(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        answers = open_reports(connection, [*told, arrived(3, octets=101, most_octets=100)])
        there = [row[0] for row in connection.execute("SELECT report_id FROM report ORDER BY report_id")]
        connection.execute("ROLLBACK")
    assert [isinstance(answer, Refused) for answer in answers] == [False, False, True, True]
    assert answers[2].reason == "too-much"
    assert there == [told[0].report_id, told[1].report_id]
