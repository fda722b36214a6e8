"""Reports that begin in one commit: is each what it would be if they had come one after the other?"""

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pe_collector import store
from pe_collector.refusal import Refused
from pe_collector.store.frames import store_frames
from pe_collector.store.opening import Through, open_reports
from pe_protos.v1 import report_pb2 as pb

TABLES = ("report", "frame", "machine", "machine_mark", "clash", "log_waiting", "forwarded")
SERIALS, MACS = ("", "S1", "S2", "S3"), ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03")


@st.composite
def arrivals(draw):
    """Few ids, marks, boots and tokens, so that most of them have something to do with each other."""
    identity = pb.Identity(
        serial=draw(st.sampled_from(SERIALS)),
        macs=draw(st.lists(st.sampled_from(MACS), max_size=2)),
        computer_name=draw(st.sampled_from(("", "MININT-A"))),
    )
    hello = pb.Hello(
        protocol=1,
        report_id=bytes(15) + bytes([draw(st.integers(1, 5))]),
        identity=identity,
        boot=pb.Boot(image_build=draw(st.sampled_from(("a", "b")))),
        clock=pb.Clock(uptime_s=draw(st.sampled_from((10.0, 400.0)))),
    )
    through = draw(st.sampled_from((None, Through("leaf-a", 1001.0), Through("leaf-b", 1002.0))))
    return store.Arrived(hello, "test", draw(st.sampled_from(("t1", "t2"))), 1000.0, through=through)


def rows(connection):
    return {table: sorted(map(tuple, connection.execute(f"SELECT * FROM {table}"))) for table in TABLES}


def alone(connection, arrived):
    try:
        return store.open_report(connection, arrived)
    except Refused as exc:
        return exc


def said(answers):
    return [(answer.reason, str(answer)) if isinstance(answer, Refused) else answer for answer in answers]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return store.create(tmp_path_factory.mktemp("opening"))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(arrivals(), max_size=8), st.lists(arrivals(), max_size=3))
def test_together_is_as_one_by_one(path, told, before):
    check_together(path, told, before)


def check_together(path, told, before):
    with closing(store.open_writer(path)) as connection:
        outcomes = []
        for both in (lambda: open_reports(connection, told), lambda: [alone(connection, one) for one in told]):
            connection.execute("BEGIN IMMEDIATE")
            for arrived in before:
                alone(connection, arrived)
            outcomes.append((said(both()), rows(connection)))
            connection.execute("ROLLBACK")
    assert outcomes[0] == outcomes[1]


def test_a_report_in_quarantine_is_refused_and_the_others_are_opened(path):
    told = [store.Arrived(pb.Hello(report_id=bytes(15) + bytes([n])), "test", "t", 1.0) for n in (1, 2)]
    with closing(store.open_writer(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO hidden_report VALUES (?,'t')", (told[0].report_id,))
        refused, opened = open_reports(connection, told)
        there = [row[0] for row in connection.execute("SELECT report_id FROM report")]
        connection.execute("ROLLBACK")
    assert refused.reason == "quarantined"
    assert opened == store.Opened(0, 0, complete=False)
    assert there == [told[1].report_id]


@pytest.mark.parametrize("boots", ["the same", "another"])
def test_machines_that_are_known_get_their_rows_together(path, boots):
    def told(boot, at_s):
        ids = ((number, bytes([boot]) + bytes(14) + bytes([number])) for number in range(8))
        identities = ((pb.Identity(serial=f"KNOWN-{number}"), name) for number, name in ids)
        return [store.Arrived(pb.Hello(report_id=name, identity=who), "test", "t", at_s) for who, name in identities]

    heard = []
    with closing(store.open_writer(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        open_reports(connection, told(1, 1000.0))
        connection.set_trace_callback(heard.append)
        open_reports(connection, told(2, 1001.0 if boots == "the same" else 5000.0))
        connection.set_trace_callback(None)
        speaking = connection.execute("SELECT count(*) FROM report WHERE speaks=1").fetchone()[0]
        connection.execute("ROLLBACK")
    assert sum(statement.startswith("INSERT INTO report ") for statement in heard) == 1
    assert speaking == (8 if boots == "the same" else 16)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_what_is_worked_out_of_the_frames_does_not_hang_on_how_they_were_cut(path, parts):
    facts = {"address": pb.Value(text="10.1.2.3"), "prefix_length": pb.Value(integer=24)}
    bodies = [
        {"observation": pb.Observation(probe="address", outcome="ok", reason="answered", facts=facts)},
        {"observation": pb.Observation(probe="target", outcome="ok", facts={"server": pb.Value(text="10.1.9.9")})},
        {"observation": pb.Observation(probe="tftp", outcome="failed", reason="timeout")},
        {"event": pb.Event(kind="link-up")},
        {"summary": pb.Summary(status="fault", finding_id="tftp-filtered")},
    ]
    frames = [pb.Frame(sequence=number, **body) for number, body in enumerate(bodies, 1)]
    hello = pb.Hello(report_id=bytes(15) + b"\x09", protocol=1)
    arrived = store.Arrived(hello, "test", "t", 1.0)
    with closing(store.open_writer(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        store.open_report(connection, arrived)
        size = -(-len(frames) // parts)
        for first in range(0, len(frames), size):
            filed = [store.file_frame(arrived.report_id, f, f.SerializeToString()) for f in frames[first:][:size]]
            store_frames(connection, filed, 2.0)
        row = connection.execute("SELECT address, prefix, server, outcome, phase, phases FROM report").fetchone()
        connection.execute("ROLLBACK")
    assert tuple(row)[:5] == ("10.1.2.3", "10.1.2.0/24", "10.1.9.9", "fault", "pxe")
    assert '"pxe": ["failed", ' in row["phases"]
