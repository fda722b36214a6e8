"""What the agent calls stored is on the collector's disk; everything else is named and kept."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from pe_agent import model, ship, wire
from pe_agent.bundle import read_bundle
from pe_agent.errors import NotDelivered, UsageError
from pe_agent.recorder import Recorder
from pe_agent.trust import Trust

CLOCK = model.Clock(100.0, 1_700_000_000_000)


def an_opening():
    boot = model.Boot(CLOCK, image_build="build-1")
    identity = model.Identity(serial="SN-1", macs=("02:00:00:00:00:01",))
    return model.Opening(os.urandom(16), "0.1.0", "report", identity, boot)


def records(log=b"line\r\n" * 1000):
    yield model.Observation("wds-rpc", "10.0.0.1:5040", model.Outcome.FAILED, model.Reason.FILTERED)
    yield model.LogChunk("X:\\setupact.log", 0, log, len(log), hashlib.sha256(log).digest())
    yield model.Verdict(model.Status.FAULT, "TCP 5040 is filtered")


def shipment(collector, opening, **trust):
    told = Trust((collector.data / "ca.pem").read_bytes(), collector.token)
    return ship.Shipment(opening, lambda: CLOCK, (collector.address,), trust.get("trust", told))


def put_all(under_way, given):
    for number, record in enumerate(given, start=1):
        under_way.put(wire.encode_record(number, record))
    under_way.finish()


def test_a_report_is_stored_and_has_a_code(collector):
    opening = an_opening()
    under_way = shipment(collector, opening)
    put_all(under_way, records())
    stored = under_way.wait(20)
    assert (stored.complete, stored.stored_through) == (True, 3)
    assert stored.code == model.receipt_code(opening.report_id)


def test_a_collector_that_comes_back_gets_the_rest(stopped_collector):
    collector = stopped_collector.start()
    opening = an_opening()
    under_way = shipment(collector, opening)
    given = list(records())
    under_way.put(wire.encode_record(1, given[0]))
    deadline = time.monotonic() + 10
    while under_way._stored.stored_through < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    collector.stop(signal.SIGKILL)
    for number in (2, 3):
        under_way.put(wire.encode_record(number, given[number - 1]))
    under_way.finish()
    collector.start()
    try:
        stored = under_way.wait(30)
        assert (stored.complete, stored.stored_through) == (True, 3)
    finally:
        collector.stop()


def test_the_second_collector_is_tried_when_the_first_is_down(collector):
    opening = an_opening()
    told = Trust((collector.data / "ca.pem").read_bytes(), collector.token)
    under_way = ship.Shipment(opening, lambda: CLOCK, ("127.0.0.1:1", collector.address), told)
    put_all(under_way, records())
    assert under_way.wait(20).collector == collector.address


def refusal(under_way, timeout_s=10):
    put_all(under_way, records())
    with pytest.raises(NotDelivered) as caught:
        under_way.wait(timeout_s)
    return str(caught.value)


def test_a_wrong_token_says_what_to_do_at_once(collector):
    started_s = time.monotonic()
    trust = Trust((collector.data / "ca.pem").read_bytes(), collector.token[:-4] + "AAAA")
    message = refusal(shipment(collector, an_opening(), trust=trust), timeout_s=30)
    assert "UNAUTHENTICATED" in message
    assert message.count("tokens new") == 1
    assert "0 of 3 records are stored" in message
    assert time.monotonic() - started_s < 10


def test_a_collector_that_does_not_run_is_named(stopped_collector):
    message = refusal(shipment(stopped_collector, an_opening()), timeout_s=2)
    assert stopped_collector.address in message
    assert "pe-collector serve" in message


def test_a_collector_of_another_ca_gets_nothing(collector, tmp_path):
    other = tmp_path / "other"
    subprocess.run(
        [sys.executable, "-m", "pe_collector", "init", "--data", str(other)], check=True, capture_output=True
    )
    trust = Trust((other / "ca.pem").read_bytes(), collector.token)
    message = refusal(shipment(collector, an_opening(), trust=trust), timeout_s=3)
    assert "CA certificate" in message


def test_a_port_that_accepts_and_says_nothing_is_given_up():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        under_way = ship.Shipment(an_opening(), lambda: CLOCK, (address,), Trust(plain=True))
        assert "no answer within 6 s" in refusal(under_way, timeout_s=9)


def test_without_tls_only_loopback_is_allowed():
    with pytest.raises(UsageError, match="loopback"):
        ship.Shipment(an_opening(), lambda: CLOCK, ("192.0.2.9:7443",), Trust(plain=True))


def test_what_is_stored_leaves_the_spool(collector, tmp_path):
    recorder = Recorder(an_opening(), lambda: CLOCK, (tmp_path / "spool",))
    recorder.open(lambda: shipment(collector, recorder.opening))
    for record in records():
        recorder.add(record)
    delivery = recorder.finish(20)
    assert delivery.stored
    assert "safe to reboot" in delivery.text
    assert list((tmp_path / "spool").iterdir()) == []


def test_an_undelivered_report_is_kept_and_the_receipt_says_where(tmp_path):
    recorder = Recorder(an_opening(), lambda: CLOCK, (tmp_path / "spool",))
    recorder.open(lambda: ship.Shipment(recorder.opening, lambda: CLOCK, ("127.0.0.1:1",), Trust(plain=True)))
    for record in records():
        recorder.add(record)
    delivery = recorder.finish(1)
    (kept,) = (tmp_path / "spool").iterdir()
    assert not delivery.stored
    assert delivery.kept == str(kept)
    assert str(kept) in delivery.text


@pytest.mark.parametrize("stored", [True, False])
def test_the_receipt_says_what_of_a_large_log_stayed_behind(request, tmp_path, stored):
    recorder = Recorder(an_opening(), lambda: CLOCK, (tmp_path / "spool",))
    recorder.open(lambda: shipment(request.getfixturevalue("collector"), recorder.opening) if stored else None)
    facts = {"file_bytes": 300_000_000, "collected_bytes": 16_000_000, "left_out_bytes": 284_000_000}
    recorder.add(model.Observation("logs", r"X:\a.log", model.Outcome.OK, model.Reason.ANSWERED, facts=facts))
    recorder.add(
        model.Observation("logs", r"X:\b.log", model.Outcome.OK, model.Reason.ANSWERED, facts={"file_bytes": 9})
    )
    delivery = recorder.finish(20 if stored else 1)
    assert delivery.stored == stored
    assert "left out: 284.0 MB of X:\\a.log" in delivery.text
    assert "b.log" not in delivery.text


def test_a_report_that_can_neither_go_nor_stay_says_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    recorder = Recorder(an_opening(), lambda: CLOCK, (blocked / "spool",))
    recorder.open(lambda: None)
    recorder.add(next(records()))
    delivery = recorder.finish(1)
    assert not delivery.stored
    assert delivery.kept == ""
    assert "NOT kept either" in delivery.text


@pytest.fixture
def small_drive(tmp_path):
    """A drive that is full after 64 KiB."""
    drive = tmp_path / "drive"
    drive.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(drive)], check=True)
    yield drive
    subprocess.run(["umount", str(drive)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small drive needs root")
def test_a_report_that_outgrows_its_drive_goes_on_whole_in_the_next_folder(small_drive, tmp_path):
    recorder = Recorder(an_opening(), lambda: CLOCK, (small_drive / "spool", tmp_path / "next"))
    recorder.open(lambda: None)
    chunks = [model.LogChunk("setupact.log", at, os.urandom(20_000), 100_000) for at in range(0, 100_000, 20_000)]
    for record in (*records(), *chunks):
        recorder.add(record)
    delivery = recorder.finish(1)
    (kept,) = (tmp_path / "next").iterdir()
    assert delivery.kept == str(kept)
    hello, *frames = (wire.parse_frame(payload) for payload in read_bundle(kept.read_bytes()))
    assert wire.decode_hello(hello.hello).report_id == recorder.opening.report_id
    assert [wire.decode_record(frame) for frame in frames] == recorder.records
    assert list((small_drive / "spool").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small drive needs root")
def test_a_report_that_no_drive_holds_says_so_for_each(small_drive, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    recorder = Recorder(an_opening(), lambda: CLOCK, (small_drive / "spool", blocked / "spool"))
    recorder.open(lambda: None)
    recorder.add(model.LogChunk("setupact.log", 0, os.urandom(100_000), 100_000))
    # Short enough to wait in the file's buffer until it is closed.
    recorder.add(next(records()))
    delivery = recorder.finish(1)
    assert delivery.kept == ""
    assert "No space left" in delivery.text
    assert "Not a directory" in delivery.text


def test_fifty_reports_at_once_are_each_stored_once(collector):
    openings = [an_opening() for _ in range(50)]
    codes = []

    def deliver(opening):
        under_way = shipment(collector, opening)
        put_all(under_way, records())
        codes.append(under_way.wait(60).code)

    threads = [threading.Thread(target=deliver, args=(opening,)) for opening in openings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == sorted(model.receipt_code(o.report_id) for o in openings)
