"""How an agent sends: in batches where they are taken, one by one where not, after pauses that spread and grow."""

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pe_agent import model, ship, wire
from pe_agent.errors import NotDelivered
from pe_agent.recorder import Recorder
from pe_agent.trust import Trust
from pe_protos.v1 import report_pb2 as pb

from tests.delivery.loading import wait_for

CLOCK = model.Clock(100.0, 1_700_000_000_000)


class Peer:
    """A collector of the test's own; `answer` gets the frames of each stream and gives receipts."""

    def __init__(self, answer):
        self.streams = []
        self.began_s = []
        self._answer = answer
        self._lock = threading.Lock()

    def deliver(self, frames, context):
        seen = []
        with self._lock:
            self.streams.append(seen)
            self.began_s.append(time.monotonic())

        def read():
            for frame in frames:
                seen.append(frame)
                yield frame

        yield from self._answer(read(), context)


@contextlib.contextmanager
def serving(answer):
    peer = Peer(answer)
    server = grpc.server(ThreadPoolExecutor(16))
    handler = grpc.stream_stream_rpc_method_handler(peer.deliver, pb.Frame.FromString, pb.Receipt.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pe.v1.Ingest", {"Deliver": handler}),))
    peer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield peer
    finally:
        server.stop(0).wait()


def shipment(*addresses, events=0):
    opening = model.Opening(os.urandom(16), "0.1.0", "report", model.Identity(), model.Boot(CLOCK))
    under_way = ship.Shipment(opening, lambda: CLOCK, addresses, Trust(plain=True))
    for number in range(1, events + 1):
        under_way.put(wire.encode_record(number, model.Event(1.0, "eth0", model.EventKind.LINK_UP, "x" * 50)))
    return under_way


def taking(batch_bytes):
    def answer(frames, _context):
        next(frames)
        yield pb.Receipt(protocol=1, batch_bytes=batch_bytes)
        through = 0
        for frame in frames:
            alone = [pb.Frame.FromString(octets) for octets in frame.batch.frames] or [frame]
            for each in alone:
                assert each.sequence == through + 1
                through += 1
            yield pb.Receipt(protocol=1, stored_through=through, batch_bytes=batch_bytes)

    return answer


def delivered(receipt, clock=CLOCK):
    """What the screen says of a report whose last receipt is this one."""

    def answer(frames, _context):
        yield pb.Receipt(protocol=1)
        next(frames)
        next(frames)
        yield receipt

    opening = model.Opening(os.urandom(16), "0.1.0", "report", model.Identity(), model.Boot(clock))
    with serving(answer) as peer:
        recorder = Recorder(opening, lambda: clock, ())
        recorder.open(lambda: ship.Shipment(opening, lambda: clock, (peer.address,), Trust(plain=True)))
        recorder.add(model.Event(1.0, "eth0", model.EventKind.LINK_UP))
        return recorder.finish(30)


@pytest.mark.parametrize(
    ("off_s", "words"),
    [
        (0, "safe to reboot"),
        (-299, "safe to reboot"),
        (-301, "safe to reboot; this machine's clock is 5 min behind the collector's: set it in the BIOS"),
        (3 * 3600, "safe to reboot; this machine's clock is 3 h ahead of the collector's: set it in the BIOS"),
        (-9 * 86400, "safe to reboot; this machine's clock is 9 days behind the collector's: set it in the BIOS"),
        (-4000 * 86400, "safe to reboot; this machine's clock is 11 years behind the collector's: set it in the BIOS"),
    ],
)
def test_a_clock_that_is_wrong_by_more_than_five_minutes_is_said(off_s, words):
    now_ms = 1_800_000_000_000
    receipt = pb.Receipt(protocol=1, stored_through=1, complete=True, code="7F3K-Q2", wall_ms=now_ms)
    delivery = delivered(receipt, model.Clock(100.0, now_ms + off_s * 1000))
    assert delivery.stored
    assert delivery.text.endswith(words)


def test_a_collector_that_does_not_say_its_time_blames_no_clock():
    assert delivered(pb.Receipt(protocol=1, stored_through=1, complete=True, code="x")).text.endswith("safe to reboot")


def test_logs_that_the_collector_left_out_are_said():
    receipt = pb.Receipt(protocol=1, stored_through=1, complete=True, code="7F3K-Q2", logs_left_out=2)
    words = "safe to reboot; but 2 pieces of logs were not kept: the collector's disk is short"
    assert delivered(receipt).text.endswith(words)


def test_an_old_collector_gets_every_frame_alone():
    with serving(taking(0)) as peer:
        under_way = shipment(peer.address, events=30)
        under_way.finish()
        assert under_way.wait(30).stored_through == 30
    assert [frame.sequence for frame in peer.streams[0][1:]] == list(range(1, 31))


def test_a_collector_that_takes_batches_gets_what_waits_at_once_within_its_bound():
    with serving(taking(1000)) as peer:
        under_way = shipment(peer.address)
        assert wait_for(lambda: peer.streams)
        for number in range(1, 61):
            under_way.put(wire.encode_record(number, model.Event(1.0, "eth0", model.EventKind.LINK_UP, "x" * 50)))
        under_way.finish()
        assert under_way.wait(30).stored_through == 60
    sizes = [sum(map(len, frame.batch.frames)) for frame in peer.streams[0] if frame.HasField("batch")]
    assert sizes
    assert max(sizes) <= 1000
    assert len(peer.streams[0]) < 30


def test_a_frame_larger_than_a_batch_goes_alone():
    with serving(taking(10)) as peer:
        under_way = shipment(peer.address, events=3)
        under_way.finish()
        assert under_way.wait(30).stored_through == 3
    assert not any(frame.HasField("batch") for frame in peer.streams[0])


def refusing(metadata=()):
    def answer(frames, context):
        next(frames)
        context.abort_with_status(Status(metadata))
        yield

    return answer


class Status(grpc.Status):
    def __init__(self, metadata):
        self.code, self.details, self.trailing_metadata = grpc.StatusCode.RESOURCE_EXHAUSTED, "full", metadata


def test_a_collector_that_asks_for_a_pause_gets_one():
    with serving(refusing((("retry-after-s", "60"),))) as peer:
        under_way = shipment(peer.address, events=1)
        under_way.finish()
        with pytest.raises(NotDelivered, match="RESOURCE_EXHAUSTED"):
            under_way.wait(6)
        assert len(peer.streams) == 1


def test_without_a_word_about_it_the_pauses_grow_from_half_a_second():
    with serving(refusing()) as peer:
        under_way = shipment(peer.address, events=1)
        assert wait_for(lambda: len(peer.streams) >= 4)
        pauses_s = [later - earlier for earlier, later in zip(peer.began_s, peer.began_s[1:], strict=False)]
        # Half of 0.5, 1 and 2 s at least, whatever the machine adds.
        assert [pause_s >= least for pause_s, least in zip(pauses_s, (0.25, 0.5, 1.0), strict=False)] == [True] * 3
        with contextlib.suppress(NotDelivered):
            under_way.wait(0)


def test_agents_that_lost_one_collector_do_not_come_back_in_one_instant():
    with serving(refusing()) as peer:
        crowd = [shipment(peer.address, events=1) for _ in range(8)]
        assert wait_for(lambda: len(peer.streams) >= 24)
        for each in crowd:
            with contextlib.suppress(NotDelivered):
                each.wait(0)
        third = sorted(peer.began_s)[16:24]
        assert third[-1] - third[0] > 0.05


def test_what_a_second_collector_lacks_is_sent_again_in_full():
    def half(frames, _context):
        next(frames)
        yield pb.Receipt(protocol=1)
        next(frames)
        yield pb.Receipt(protocol=1, stored_through=1)

    with serving(half) as first, serving(taking(0)) as second:
        under_way = shipment(first.address, second.address, events=5)
        under_way.finish()
        stored = under_way.wait(30)
        assert (stored.collector, stored.stored_through) == (second.address, 5)
        assert [frame.sequence for frame in second.streams[0][1:]] == [1, 2, 3, 4, 5]
