"""Many reports on one stream, and many frames in one message: each is stored once and acknowledged after its commit."""

import contextlib
import queue
import signal
import sqlite3

import grpc
import pytest
from pe_protos.v1 import report_pb2 as pb


def rows(collector, query):
    with contextlib.closing(sqlite3.connect(collector.data / "collector.sqlite")) as connection:
        return connection.execute(query).fetchall()


class Forwarder:
    def __init__(self, collector):
        self._parcels = queue.SimpleQueue()
        self.channel = collector.channel()
        call = self.channel.stream_stream("/pe.v1.Ingest/Forward", response_deserializer=pb.ParcelReceipt.FromString)
        self.call = call(iter(self._parcels.get, None), timeout=120)

    def send(self, *parcels):
        for parcel in parcels:
            self._parcels.put(parcel if isinstance(parcel, bytes) else parcel.SerializeToString())

    def receipts(self, count):
        return {receipt.report_id: receipt for _, receipt in zip(range(count), self.call, strict=False)}

    def end(self):
        self._parcels.put(None)

    def refusal(self):
        with pytest.raises(grpc.RpcError):
            list(self.call)
        return self.call.code()


@pytest.fixture
def forwarder(collector):
    one = Forwarder(collector)
    yield one
    one.end()
    one.call.cancel()
    one.channel.close()


def parcel(frames, report_id, records=None, token=""):
    hello = frames.hello("", report_id)
    told = [hello, *(frames.whole() if records is None else records)]
    return pb.Parcel(token=token, frames=[frame.SerializeToString() for frame in told])


def an_id(number):
    return bytes(14) + number.to_bytes(2, "big")


def test_each_parcel_is_acknowledged_and_stored(collector, forwarder, frames):
    token = collector.token
    forwarder.send(*(parcel(frames, an_id(n), token=token if n == 1 else "") for n in range(1, 301)))
    receipts = forwarder.receipts(300)
    assert all(r.receipt.complete and r.receipt.stored_through == 5 and r.receipt.code for r in receipts.values())
    assert rows(collector, "SELECT count(*), min(complete), min(stored_through) FROM report") == [(300, 1, 5)]


def test_the_same_parcel_twice_counts_once(collector, forwarder, frames):
    forwarder.send(parcel(frames, an_id(1), token=collector.token), parcel(frames, an_id(1)))
    assert len([next(forwarder.call), next(forwarder.call)]) == 2
    assert rows(collector, "SELECT count(*) FROM frame") == [(6,)]


def test_a_report_in_parts_is_complete_with_the_last(collector, forwarder, frames):
    whole = frames.whole()
    forwarder.send(parcel(frames, an_id(1), whole[:2], token=collector.token))
    first = next(forwarder.call).receipt
    forwarder.send(parcel(frames, an_id(1), whole[2:]))
    assert (first.stored_through, first.complete) == (2, False)
    assert next(forwarder.call).receipt.complete


def test_a_refused_parcel_says_why_and_the_others_go_on(collector, forwarder, frames):
    too_long = [frames.event(1, "x" * 40_000)]
    forwarder.send(parcel(frames, an_id(1), too_long, token=collector.token), parcel(frames, an_id(2)))
    receipts = forwarder.receipts(2)
    assert (receipts[an_id(1)].refused, receipts[an_id(2)].refused) == ("too-much", "")
    assert "40000 characters" in receipts[an_id(1)].message
    assert rows(collector, "SELECT report_id FROM report") == [(an_id(2).hex(),)]


def test_a_report_begun_under_another_token_is_refused_and_stays_as_it_was(collector, forwarder, frames, cli):
    made = cli("tokens", "new", "--name", "other", data=collector.data)
    other = made.stdout.decode().split()[-1] if made.returncode == 0 else pytest.fail(made.stderr.decode())
    first = collector.client().send(frames.hello(other, an_id(1)), frames.address(1))
    first.stored_through(1)
    forwarder.send(parcel(frames, an_id(1), token=collector.token))
    assert next(forwarder.call).refused == "foreign-report"
    assert rows(collector, "SELECT stored_through FROM report") == [(1,)]


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (pb.Parcel(token="abc.def"), grpc.StatusCode.UNAUTHENTICATED),
        (pb.Parcel(), grpc.StatusCode.UNAUTHENTICATED),
    ],
    ids=["noise", "foreign token", "no token"],
)
def test_who_may_not_forward_is_refused(forwarder, first, status):
    forwarder.send(first)
    assert forwarder.refusal() is status


def test_a_parcel_without_a_hello_ends_the_stream(collector, forwarder, frames):
    forwarder.send(pb.Parcel(token=collector.token, frames=[frames.address(1).SerializeToString()]))
    assert forwarder.refusal() is grpc.StatusCode.INVALID_ARGUMENT


def test_forwarded_and_acknowledged_survives_a_kill(start, frames):
    collector = start()
    forwarder = Forwarder(collector)
    forwarder.send(*(parcel(frames, an_id(n), token=collector.token) for n in range(1, 401)))
    sure = forwarder.receipts(100)
    collector.stop(signal.SIGKILL)
    forwarder.end()
    forwarder.channel.close()
    complete = {
        bytes.fromhex(report_id) for (report_id,) in rows(collector, "SELECT report_id FROM report WHERE complete")
    }
    assert set(sure) <= complete
    assert rows(collector, "SELECT count(*) FROM report WHERE NOT complete") == [(0,)]


def batch(*told):
    return pb.Frame(batch=pb.Batch(frames=[frame.SerializeToString() for frame in told]))


def test_a_batch_is_stored_as_its_frames_would_be(collector, frames):
    client = collector.client().send(frames.hello(collector.token))
    assert client.receipt().batch_bytes > 0
    whole = frames.whole()
    assert client.send(batch(*whole)).stored_through(5).complete
    stored = rows(collector, "SELECT sequence, octets FROM frame WHERE sequence>0")
    assert stored == [(frame.sequence, frame.SerializeToString()) for frame in whole]


def test_of_a_batch_with_a_gap_what_came_before_it_stays(collector, frames):
    client = collector.client().send(
        frames.hello(collector.token), batch(frames.event(1), frames.event(2), frames.event(4))
    )
    assert client.refusal() == (grpc.StatusCode.INVALID_ARGUMENT, "frame 4 came where 3 was due")
    assert rows(collector, "SELECT stored_through FROM report") == [(2,)]


@pytest.mark.parametrize("inner", ["batch", "hello", "noise"])
def test_a_batch_holds_single_records_only(collector, frames, inner):
    inside = {
        "batch": batch(frames.event(1)).SerializeToString(),
        "hello": frames.hello(collector.token).SerializeToString(),
        "noise": b"\xff\xff",
    }[inner]
    told = pb.Frame(batch=pb.Batch(frames=[inside]))
    status, _ = collector.client().send(frames.hello(collector.token), told).refusal()
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert rows(collector, "SELECT count(*) FROM frame WHERE sequence>0") == [(0,)]


def test_an_empty_batch_or_one_sent_twice_changes_nothing(collector, frames):
    client = collector.client().send(frames.hello(collector.token))
    client.send(pb.Frame(batch=pb.Batch()), *[batch(*frames.whole())] * 20)
    client.end()
    assert client.stored_through(5).complete
    assert rows(collector, "SELECT count(*), sum(stored_through) FROM frame JOIN report USING (report_id)") == [(6, 30)]
