"""Reports that came by hand: bundles, JSON Lines, and back out again."""

import json
import random
import struct
import time
import zlib

import pytest
from pe_agent.bundle import MAGIC, Damage, read_bundle


def record(payload):
    return struct.pack("<II", len(payload), zlib.crc32(payload)) + payload


def bundle(frames):
    return MAGIC + b"".join(record(frame.SerializeToString()) for frame in frames)


@pytest.fixture
def carried(tmp_path, frames):
    path = tmp_path / "7F3K-Q2.pespool"
    path.write_bytes(bundle([frames.hello(""), *frames.whole()]))
    return path


def shown(cli, data, frames):
    return json.loads(cli("show", frames.report_id.hex(), "--format", "json", data=data).stdout)


def test_a_bundle_becomes_a_whole_report(cli, data, carried, frames):
    done = cli("import", str(carried), data=data)
    assert done.returncode == 0, done.stderr
    assert b"5 records, complete" in done.stdout
    report = shown(cli, data, frames)
    assert (report["complete"], report["carried"], report["verdict"]) == (True, True, "wds-rpc-filtered")
    assert report["clock_skew_s"] is None


def test_a_bundle_imported_twice_counts_once(cli, data, carried):
    cli("import", str(carried), data=data)
    again = cli("import", str(carried), data=data)
    assert again.returncode == 0
    assert b"is stored already" in again.stdout
    count = cli("sql", "SELECT count(*) AS n FROM observation", "--format", "json", data=data).stdout
    assert json.loads(count) == [{"n": 2}]


@pytest.mark.parametrize("damaged", range(1, 6))
def test_a_damaged_record_is_named_and_only_it_is_lost(cli, data, carried, frames, damaged):
    octets = bytearray(carried.read_bytes())
    payloads = [frame.SerializeToString() for frame in [frames.hello(""), *frames.whole()]]
    start = len(MAGIC) + sum(8 + len(payload) for payload in payloads[:damaged])
    octets[start + 8] ^= 0xFF
    carried.write_bytes(octets)
    done = cli("import", str(carried), data=data)
    assert f"octets {start} to {start + 8 + len(payloads[damaged])} are damaged" in done.stdout.decode()
    assert b"4 records, incomplete" in done.stdout
    report = shown(cli, data, frames)
    assert report["stored_through"] == damaged - 1


def test_the_whole_bundle_fills_what_a_damaged_copy_left_open(cli, data, carried, frames):
    whole = carried.read_bytes()
    broken = bytearray(whole)
    at = whole.index(b"wds-rpc")
    broken[at] ^= 0xFF
    carried.write_bytes(broken)
    cli("import", str(carried), data=data)
    assert not shown(cli, data, frames)["complete"]
    carried.write_bytes(whole)
    assert b"complete" in cli("import", str(carried), data=data).stdout
    report = shown(cli, data, frames)
    assert (report["complete"], len(report["observations"])) == (True, 2)


def test_a_bundle_cut_off_in_the_middle_keeps_its_beginning(cli, data, carried):
    carried.write_bytes(carried.read_bytes()[:-20])
    assert b"4 records, incomplete" in cli("import", str(carried), data=data).stdout


def test_without_its_hello_a_bundle_belongs_to_nobody(cli, data, carried):
    octets = bytearray(carried.read_bytes())
    octets[len(MAGIC) + 10] ^= 0xFF
    carried.write_bytes(octets)
    done = cli("import", str(carried), data=data)
    assert done.returncode == 10
    assert b"not imported" in done.stdout
    assert b"octets 9 to" in done.stdout


def test_trailing_zeroes_of_a_pulled_drive_are_damage():
    *_, last = read_bundle(MAGIC + record(b"frame") + bytes(64))
    assert last == Damage(len(MAGIC) + 13, len(MAGIC) + 13 + 64)


def test_a_bundle_that_is_all_noise_is_read_quickly():
    noise = random.Random(1).randbytes(8 * 1024 * 1024)
    began = time.process_time()
    assert list(read_bundle(MAGIC + noise)) == [Damage(len(MAGIC), len(MAGIC) + len(noise))]
    assert time.process_time() - began < 10


def test_the_live_report_goes_on_after_a_carried_part(cli, data, carried, collector, frames):
    carried.write_bytes(bundle([frames.hello(""), *frames.whole()[:2]]))
    cli("import", str(carried), data=data)
    client = collector.client().send(frames.hello(collector.token))
    assert client.receipt().stored_through == 2
    client.send(*frames.whole()[2:])
    assert client.stored_through(5).complete


def test_what_is_exported_can_be_imported_elsewhere(cli, data, carried, tmp_path, frames):
    cli("import", str(carried), data=data)
    lines = cli("export", data=data).stdout
    (tmp_path / "all.jsonl").write_bytes(lines)
    cli("init", data=tmp_path / "other")
    done = cli("import", str(tmp_path / "all.jsonl"), data=tmp_path / "other")
    assert done.returncode == 0, done.stderr
    assert json.loads(cli("export", data=tmp_path / "other").stdout) == json.loads(lines)
    assert json.loads(lines)["summary"]["finding_id"] == "wds-rpc-filtered"


def test_a_bad_line_is_named_and_the_others_are_stored(cli, data, tmp_path):
    good = {"hello": {"protocol": 1, "report_id": "AAAAAAAAAAAAAAAAAAAAAQ=="}, "novel_field": 1}
    (tmp_path / "mixed.jsonl").write_text(f"{{no json\n\n{json.dumps(good)}\n")
    done = cli("import", str(tmp_path / "mixed.jsonl"), data=data)
    first, second = done.stdout.decode().splitlines()
    assert "mixed.jsonl:1: not imported" in first
    assert "mixed.jsonl:3: report 00000000000000000000000000000001" in second
    assert done.returncode == 10


def test_the_agents_report_without_protobuf_is_imported(cli, data, tmp_path, frames):
    from pe_agent import plain
    from pe_agent.model import Boot, Clock, Identity, LogChunk, Opening, Report, Status, Verdict

    clock = Clock(5.0, 1_700_000_000_000)
    opening = Opening(frames.report_id, "0.1.0", "auto", Identity(serial="S1"), Boot(clock))
    records = (LogChunk("X:\\a.log", 0, b"line\r\n", 6), Verdict(Status.HEALTHY, "All is well"))
    (tmp_path / "r.jsonl").write_text(plain.report_to_json(Report(opening, records), clock))
    assert b"2 records, complete" in cli("import", str(tmp_path / "r.jsonl"), data=data).stdout
    log = cli("show", frames.report_id.hex(), "--log", "a.log", data=data).stdout
    assert log == b"line\r\n"
