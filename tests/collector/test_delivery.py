"""Does the service keep its promises on the wire? A real server process, real gRPC."""

import signal
import sqlite3
import threading
import time

import grpc
import pytest
from pe_agent.model import receipt_code
from pe_protos.v1 import report_pb2 as pb


def rows(collector, query, *parameters):
    with sqlite3.connect(collector.data / "collector.sqlite") as connection:
        return connection.execute(query, parameters).fetchall()


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_a_whole_report_is_acknowledged_as_complete_with_its_code(start, frames, tls):
    collector = start(tls=tls)
    client = collector.client().send(frames.hello(collector.token))
    first = client.receipt()
    assert len(first.session) == 48
    assert abs(first.wall_ms / 1000 - time.time()) < 120
    wire = {"protocol": 1, "batch_bytes": first.batch_bytes}
    assert first == pb.Receipt(session=first.session, wall_ms=first.wall_ms, **wire)
    client.send(*frames.whole()).end()
    last = list(client.call)[-1]
    code = receipt_code(frames.report_id)
    assert last == pb.Receipt(stored_through=5, complete=True, code=code, wall_ms=last.wall_ms, **wire)
    assert rows(collector, "SELECT address, prefix, image, outcome, verdict FROM reports") == [
        ("10.10.1.23", "10.10.1.0/24", "WinPE-x64", "fault", "wds-rpc-filtered")
    ]


def test_the_agents_own_sender_is_served(start, frames):
    from pe_agent import ship, wire
    from pe_agent.model import Boot, Clock, Event, EventKind, Identity, Opening, Status, Verdict
    from pe_agent.trust import read_trust

    collector = start(tls=True)
    clock = Clock(10.0, 0)
    opening = Opening(frames.report_id, "0.1.0", "report", Identity(serial="S1"), Boot(clock))
    trust = read_trust(str(collector.data / "ca.pem"), collector.token, plain=False)
    shipment = ship.Shipment(opening, lambda: clock, (collector.address,), trust)
    shipment.put(wire.encode_record(1, Event(1.0, "eth0", EventKind.LINK_UP)))
    shipment.put(wire.encode_record(2, Verdict(Status.HEALTHY, "All is well")))
    shipment.finish()
    stored = shipment.wait(20)
    assert (stored.stored_through, stored.complete) == (2, True)
    assert rows(collector, "SELECT outcome, complete FROM report") == [("healthy", 1)]


def test_each_frame_is_acknowledged_without_waiting_for_more(collector, frames):
    client = collector.client().send(frames.hello(collector.token))
    client.receipt()
    for sequence in (1, 2, 3):
        client.send(frames.event(sequence))
        assert client.receipt().stored_through == sequence


def test_a_broken_upload_goes_on_where_it_stopped(collector, frames):
    first = collector.client().send(frames.hello(collector.token), frames.address(1), frames.filtered(2))
    first.stored_through(2)
    first.call.cancel()
    second = collector.client().send(frames.hello(collector.token))
    assert second.receipt().stored_through == 2
    second.send(*frames.whole()[2:])
    assert second.stored_through(5).complete
    assert rows(collector, "SELECT count(*) FROM report") == [(1,)]
    assert rows(collector, "SELECT sequence FROM frame") == [(n,) for n in range(6)]


def test_of_a_machine_that_says_hello_and_nothing_more_there_is_a_row(collector, frames):
    collector.client().send(frames.hello(collector.token)).receipt()
    deadline = time.monotonic() + 30
    while rows(collector, "SELECT outcome FROM report") != [("incomplete",)] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert rows(collector, "SELECT outcome FROM report") == [("incomplete",)]


def test_a_stream_that_ends_after_the_hello_is_answered_when_its_row_is_there(collector, frames):
    client = collector.client().send(frames.hello(collector.token)).end()
    assert client.refusal()[0] is grpc.StatusCode.OK
    assert rows(collector, "SELECT outcome FROM report") == [("incomplete",)]


def test_a_frame_that_comes_again_counts_once_and_changes_nothing(collector, frames):
    client = collector.client().send(frames.hello(collector.token), frames.event(1, "as it was"))
    client.stored_through(1)
    again = collector.client().send(frames.hello(collector.token))
    again.receipt()
    again.send(frames.event(1, "forged"), frames.finding(1), frames.event(2))
    again.stored_through(2)
    assert rows(collector, "SELECT sequence, detail FROM event") == [(1, "as it was"), (2, "")]
    assert rows(collector, "SELECT count(*) FROM finding") == [(0,)]


def test_of_two_streams_of_one_report_the_later_goes_on_and_each_frame_is_stored_once(collector, frames):
    clients = [collector.client().send(frames.hello(collector.token))]
    clients[0].receipt()
    clients.append(collector.client().send(frames.hello(collector.token)))
    clients[1].receipt()
    for sequence in range(1, 201):
        for client in clients:
            client.send(frames.event(sequence))
    clients[1].stored_through(200)
    status, message = clients[0].refusal()
    assert status is grpc.StatusCode.ABORTED
    assert "resumed elsewhere" in message
    assert rows(collector, "SELECT count(*), max(sequence) FROM event") == [(200, 200)]


def test_a_gap_is_refused_and_what_came_before_it_stays(collector, frames):
    client = collector.client().send(frames.hello(collector.token), frames.event(1))
    client.stored_through(1)
    client.send(frames.event(3))
    assert client.refusal() == (grpc.StatusCode.INVALID_ARGUMENT, "frame 3 came where 2 was due")
    assert rows(collector, "SELECT stored_through, outcome FROM report") == [(1, "incomplete")]


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"\xff\xff\xff", "no protobuf message"),
        (pb.Frame(sequence=1, event=pb.Event()), "opens with a hello"),
        (pb.Frame(hello=pb.Hello(report_id=bytes(16))), "protocol is 0"),
        (pb.Frame(hello=pb.Hello(protocol=1, report_id=b"short")), "16 are needed"),
    ],
    ids=["noise", "no hello", "protocol 0", "short id"],
)
def test_a_malformed_opening_is_refused_with_what_is_wrong(collector, first, words):
    status, message = collector.client().send(first).refusal()
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert words in message


def test_a_malformed_frame_inside_the_stream_is_refused(collector, frames):
    client = collector.client().send(frames.hello(collector.token), b"\x08")
    status, message = client.refusal()
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert "no protobuf message" in message


def test_a_text_beyond_the_bound_is_refused(collector, frames):
    client = collector.client().send(frames.hello(collector.token), frames.event(1, "x" * 40_000))
    status, message = client.refusal()
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "detail: 40000 characters" in message


def test_too_many_facts_are_refused(collector, frames):
    frame = frames.address()
    for number in range(600):
        frame.observation.facts[f"fact_{number}"].integer = number
    status, message = collector.client().send(frames.hello(collector.token), frame).refusal()
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "facts: 604 entries" in message


def test_a_newer_agents_frames_are_stored_octet_for_octet(collector, frames):
    unknown_field = b"\xca\x3e\x05novel"  # field 1001, 5 octets
    observation = frames.address(1).SerializeToString() + unknown_field
    unknown_body = b"\x08\x02" + unknown_field
    hello = frames.hello(collector.token, protocol=9).SerializeToString()
    client = collector.client().send(hello, observation, unknown_body)
    assert client.stored_through(2).protocol == 1
    assert rows(collector, "SELECT octets FROM frame WHERE sequence>0") == [(observation,), (unknown_body,)]
    assert rows(collector, "SELECT protocol FROM report") == [(9,)]


def test_words_this_version_does_not_know_are_kept_as_they_came(collector, frames):
    frame = pb.Frame(sequence=1, observation=pb.Observation(probe="novel", outcome="sideways", reason="haunted"))
    collector.client().send(frames.hello(collector.token), frame).stored_through(1)
    assert rows(collector, "SELECT probe, outcome, reason FROM observation") == [("novel", "sideways", "haunted")]


def test_a_number_that_is_not_finite_breaks_nothing(collector, frames):
    frame = pb.Frame(sequence=1, observation=pb.Observation(probe="p", elapsed_s=float("nan")))
    frame.observation.facts["rtt_s"].real = float("inf")
    huge = pb.Frame(sequence=2, log=pb.LogChunk(path="a", offset_bytes=2**64 - 1))
    collector.client().send(frames.hello(collector.token), frame, huge).stored_through(2)
    assert rows(collector, "SELECT elapsed_s, facts FROM observation") == [(None, "{}")]


def test_the_token_is_nowhere_in_the_data_folder_but_in_its_own_file(collector, frames):
    collector.client().send(frames.hello(collector.token), *frames.whole()).stored_through(5)
    collector.stop()
    secret = collector.token.partition(".")[2].encode()
    holders = [path.name for path in collector.data.iterdir() if secret in path.read_bytes()]
    assert holders == ["first.token"]


def test_a_full_disk_is_an_error_for_the_sender_and_not_the_end_of_the_collector(collector, frames):
    # Whoever holds the write lock stands for a disk that takes nothing; the writer's patience is 30 s.
    client = collector.client().send(frames.hello(collector.token))
    client.receipt()
    with sqlite3.connect(collector.data / "collector.sqlite", isolation_level=None) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(FAIL, 'disk full'); END")
        status, message = client.send(frames.event(1)).refusal()
        assert status is grpc.StatusCode.UNAVAILABLE
        assert "disk full" in message
        connection.execute("DROP TRIGGER full")
    again = collector.client().send(frames.hello(collector.token), frames.event(1))
    assert again.stored_through(1).stored_through == 1


def test_sigterm_stops_it_cleanly(collector, frames):
    collector.client().send(frames.hello(collector.token), frames.event(1)).stored_through(1)
    assert collector.stop() == 0
    assert rows(collector, "SELECT stored_through FROM report") == [(1,)]


def test_what_was_acknowledged_survives_kill_9_under_load(start, frames):
    collector = start()
    acknowledged = {}

    def deliver(number):
        report_id = bytes(15) + bytes([number])
        client = collector.client().send(frames.hello(collector.token, report_id))
        client.send(*(frames.event(n, "x" * 200) for n in range(1, 3001)))
        try:
            for receipt in client.call:
                acknowledged[report_id.hex()] = receipt.stored_through
        except grpc.RpcError:
            pass

    senders = [threading.Thread(target=deliver, args=(number,)) for number in range(1, 9)]
    for sender in senders:
        sender.start()
    deadline = time.monotonic() + 20
    while sum(acknowledged.values()) < 500 and time.monotonic() < deadline:
        time.sleep(0.01)
    collector.stop(signal.SIGKILL)
    for sender in senders:
        sender.join(20)
    assert sum(acknowledged.values()) >= 500
    stored = dict(rows(collector, "SELECT report_id, count(*) - 1 FROM frame GROUP BY report_id"))
    lost = {report: (told, stored.get(report, 0)) for report, told in acknowledged.items() if stored[report] < told}
    assert lost == {}
    assert rows(collector, "PRAGMA integrity_check") == [("ok",)]
    restarted = start()
    client = restarted.client().send(frames.hello(collector.token, bytes(15) + b"\x01"))
    assert client.receipt().stored_through == stored[bytes(15).hex() + "01"]
