"""Who is refused by the ingest side, for which reason, and is it counted?"""

import os
import socket
import sqlite3
from contextlib import closing

import grpc
import pytest

OTHER_MACHINE = {"smbios_uuid": "11111111-0042-4710-8052-b4c04f305399", "serial": "ZZ9", "macs": ["52:54:00:99:99:99"]}


def stored_refusals(data):
    from pe_collector.refusal import refusal_counts

    with closing(sqlite3.connect(data / "collector.sqlite")) as connection:
        return refusal_counts(connection)


def stored(data, report_id=b""):
    """How far the report is stored, or each of all reports."""
    with closing(sqlite3.connect(data / "collector.sqlite")) as connection:
        rows = connection.execute("SELECT report_id, stored_through FROM report").fetchall()
    return [through for name, through in rows if name == report_id.hex() or not report_id]


def spoiled(token):
    return token[:-1] + ("0" if token[-1] != "0" else "1")


@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("no-token", lambda _data, _token: ""),
        ("token-unknown", lambda _data, _token: "aaaaaaaa." + "0" * 64),
        ("token-unknown", lambda _data, token: spoiled(token)),
        ("token-unknown", lambda _data, token: token + "0" * 10_000),
        ("token-role", lambda data, _token: (data / "admin.token").read_text().strip()),
    ],
    ids=["none", "foreign", "wrong secret", "very long", "of a person"],
)
def test_a_token_that_may_not_send_is_refused_and_counted(ops, frames, refused, reason, make):
    report_id = os.urandom(16)
    status, _ = ops.client().send(frames.hello(make(ops.data, ops.token), report_id)).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert refused() == {reason: 1}
    assert stored(ops.data, report_id) == []


def test_an_expired_token_is_refused_and_counted(ops, frames, report_id, refused, role_tokens):
    token_id = role_tokens["ingest"].partition(".")[0]
    with closing(sqlite3.connect(ops.data / "collector.sqlite", timeout=30)) as connection, connection:
        connection.execute("UPDATE token SET expires=1 WHERE token_id=?", (token_id,))
    status, _ = ops.client().send(frames.hello(role_tokens["ingest"], report_id)).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert refused() == {"token-expired": 1}
    assert stored(ops.data, report_id) == []


def test_without_tls_nothing_gets_in(start, frames, data):
    collector = start(tls=True)
    with grpc.insecure_channel(collector.address) as channel:
        deliver = channel.stream_stream("/pe.v1.Ingest/Deliver")
        with pytest.raises(grpc.RpcError) as failed:
            list(deliver(iter([frames.hello(collector.token).SerializeToString()]), timeout=20))
    assert failed.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    assert stored(data) == []
    assert collector.client().send(frames.hello(collector.token)).receipt().stored_through == 0


def test_a_report_that_another_machine_began_is_refused_and_counted(ops, frames, report_id, refused):
    first = ops.client().send(frames.hello(ops.token, report_id), frames.event(1), frames.summary(2)).end()
    first.stored_through(2)
    first.refusal()
    hello = frames.hello(ops.token, report_id)
    hello.hello.identity.Clear()
    for name, value in OTHER_MACHINE.items():
        if name == "macs":
            hello.hello.identity.macs.extend(value)
        else:
            setattr(hello.hello.identity, name, value)
    status, message = ops.client().send(hello, frames.event(3)).refusal()
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert "another machine" in message
    assert refused() == {"foreign-report": 1}
    assert stored(ops.data, report_id) == [2]


def test_a_machine_that_gained_an_adapter_goes_on_with_its_report(ops, frames, report_id):
    first = ops.client().send(frames.hello(ops.token, report_id), frames.event(1)).end()
    first.stored_through(1)
    first.refusal()
    hello = frames.hello(ops.token, report_id)
    hello.hello.identity.macs.insert(0, "52:54:00:77:77:77")
    assert ops.client().send(hello).receipt().stored_through == 1


def test_a_session_shown_twice_is_refused_and_counted(ops, frames, report_id, refused):
    session = ops.client().send(frames.hello(ops.token, report_id), frames.event(1)).stored_through(1)
    shown = ops.client().send(frames.hello(ops.token, report_id)).receipt().session
    assert len(shown) == 48
    assert not session.session, "only the first receipt carries it"
    resumed = ops.client().send(frames.hello(ops.token, report_id, session=shown)).receipt()
    assert resumed.session not in (b"", shown)
    status, _ = ops.client().send(frames.hello(ops.token, report_id, session=shown)).refusal()
    assert status is grpc.StatusCode.ABORTED
    assert refused() == {"replayed": 1}


def test_a_session_does_not_open_another_report(ops, frames, report_id, refused):
    shown = ops.client().send(frames.hello(ops.token, report_id)).receipt().session
    other = os.urandom(16)
    status, _ = ops.client().send(frames.hello(ops.token, other, session=shown)).refusal()
    assert status is grpc.StatusCode.ABORTED
    assert refused() == {"replayed": 1}


def test_a_session_with_a_wrong_secret_is_refused(ops, frames, report_id, refused):
    shown = ops.client().send(frames.hello(ops.token, report_id)).receipt().session
    status, _ = ops.client().send(frames.hello(ops.token, report_id, session=shown[:16] + bytes(32))).refusal()
    assert status is grpc.StatusCode.ABORTED
    assert refused() == {"replayed": 1}


def test_a_session_from_before_a_restart_is_a_new_one(start, frames):
    first = start()
    shown = first.client().send(frames.hello(first.token), frames.event(1)).stored_through(1)
    shown = first.client().send(frames.hello(first.token)).receipt().session
    first.stop()
    second = start()
    assert second.client().send(frames.hello(second.token, session=shown)).receipt().stored_through == 1


def test_a_stream_that_was_resumed_elsewhere_adds_nothing_more(ops, frames, report_id, refused):
    old = ops.client().send(frames.hello(ops.token, report_id), frames.event(1))
    old.stored_through(1)
    ops.client().send(frames.hello(ops.token, report_id)).receipt()
    status, _ = old.send(frames.event(2)).refusal()
    assert status is grpc.StatusCode.ABORTED
    assert refused() == {"replayed": 1}
    assert stored(ops.data, report_id) == [1]


def test_the_session_is_nowhere_on_disk(start, frames, data):
    collector = start()
    shown = collector.client().send(frames.hello(collector.token)).receipt().session
    again = collector.client().send(frames.hello(collector.token, session=shown), frames.event(1))
    again.stored_through(1)
    collector.stop()
    for path in data.iterdir():
        assert shown[16:] not in path.read_bytes(), path


def test_counts_survive_a_stop(start, frames, data):
    ops = start()
    ops.client().send(frames.hello("")).refusal()
    ops.stop()
    assert stored_refusals(data)["no-token"] == 1


def test_a_connection_without_a_hello_is_refused_and_good_agents_are_served(start, frames, data):
    (data / "collector.toml").write_text("first_frame_s = 0.5\n")
    collector = start()
    host, _, port = collector.address.rpartition(":")
    silent = [socket.create_connection((host, int(port)), 10) for _ in range(50)]
    mute = [collector.client() for _ in range(5)]
    assert collector.client().send(frames.hello(collector.token)).receipt().stored_through == 0
    assert {client.refusal()[0] for client in mute} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    for sock in silent:
        sock.close()
    collector.stop()
    assert stored_refusals(data)["idle"] == 5


def test_tries_with_wrong_tokens_end_in_a_refusal_before_the_token_is_looked_at(start, frames, data):
    (data / "collector.toml").write_text("wrong_tokens_burst = 3\nwrong_tokens_per_s = 0.001\n")
    collector = start()
    for _ in range(3):
        assert collector.client().send(frames.hello("x.y")).refusal()[0] is grpc.StatusCode.UNAUTHENTICATED
    status, message = collector.client().send(frames.hello(collector.token)).refusal()
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "wrong" in message or "without a good token" in message
    collector.stop()
    assert stored_refusals(data)["flood"] == 1


@pytest.mark.parametrize("bucket", ["source", "token"])
def test_more_reports_than_the_bucket_holds_are_refused_and_counted(start, frames, data, bucket):
    (data / "collector.toml").write_text(f"{bucket}_reports_burst = 2\n{bucket}_reports_per_s = 0.001\n")
    collector = start()
    for number in range(2):
        collector.client().send(frames.hello(collector.token, report_id=bytes(15) + bytes([number]))).receipt()
    status, message = collector.client().send(frames.hello(collector.token, report_id=bytes(15) + b"\x09")).refusal()
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "try again" in message
    collector.stop()
    assert stored_refusals(data)["flood"] == 1
    assert len(stored(data)) == 2


def test_more_sessions_than_allowed_are_refused_until_one_ends(start, frames, data):
    (data / "collector.toml").write_text("sessions_of_token = 1\n")
    collector = start()
    first = collector.client().send(frames.hello(collector.token))
    first.receipt()
    other = bytes(16)
    status, _ = collector.client().send(frames.hello(collector.token, report_id=other)).refusal()
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    first.end().refusal()
    assert collector.client().send(frames.hello(collector.token, report_id=other)).receipt().stored_through == 0
    collector.stop()
    assert stored_refusals(data)["busy"] == 1


def test_a_disk_that_gets_short_keeps_verdicts_and_leaves_logs_out(start, frames, data, cli):
    from pe_protos.v1 import report_pb2 as pb

    (data / "collector.toml").write_text(f"reserve_for_verdicts_octets = {2**62}\nreserve_octets = 1\n")
    collector = start()
    log = pb.LogChunk(path="X:\\setupact.log", data=b"a line\r\n", expanded_bytes=8, file_bytes=8)
    sender = collector.client().send(
        frames.hello(collector.token), frames.event(1), pb.Frame(sequence=2, log=log), frames.summary(3)
    )
    receipt = sender.end().stored_through(3)
    assert receipt.complete
    assert receipt.logs_left_out == 1
    shown = cli("show", receipt.code, data=data).stdout.decode()
    assert "FAULT" in shown
    assert "8 octets were left out: the collector's disk was short" in shown


def test_a_disk_without_its_reserve_takes_nothing_and_says_so(start, frames, data):
    (data / "collector.toml").write_text(f"reserve_octets = {2**62}\n")
    collector = start()
    status, message = collector.client().send(frames.hello(collector.token)).refusal()
    assert status is grpc.StatusCode.UNAVAILABLE
    assert "disk" in message
    collector.stop()
    assert stored_refusals(data)["disk-reserve"] == 1
    assert stored(data) == []


@pytest.mark.parametrize(
    ("told", "said"), [("report_files = 1", "at most 1 logs"), ("report_expanded_octets = 10", "at most 10 octets")]
)
def test_logs_beyond_their_number_and_size_are_refused(start, frames, data, told, said):
    from pe_protos.v1 import report_pb2 as pb

    (data / "collector.toml").write_text(told + "\n")
    collector = start()
    logs = [pb.LogChunk(path=name, data=b"a line\r\n", expanded_bytes=8, file_bytes=8) for name in ("a.log", "b.log")]
    sent = [pb.Frame(sequence=number, log=log) for number, log in enumerate(logs, 1)]
    status, message = collector.client().send(frames.hello(collector.token), *sent).refusal()
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert said in message
    collector.stop()
    assert stored_refusals(data)["too-much"] == 1
