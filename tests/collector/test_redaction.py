"""What an agent failed to take out is taken out here: by stream and by hand, in logs, facts and evidence."""

import hashlib
import json
import zlib

import pytest
from pe_agent.bundle import MAGIC, encode_record
from pe_protos.v1 import report_pb2 as pb

CANARY = "Canary7Bird"
LOG = r"X:\Windows\Panther\setupact.log"
CLEAN = b"2026-03-02 08:15:30, Info       [0x0601c1] IBS    version 10.0.16299.15 code 0x800706BA\r\n"


def chunk(sequence, data, offset=0, sha256=b"", codec="zlib"):
    packed = zlib.compress(data) if codec else data
    log = pb.LogChunk(path=LOG, offset_bytes=offset, data=packed, codec=codec, expanded_bytes=len(data), sha256=sha256)
    return pb.Frame(sequence=sequence, log=log)


def leaky(encoding):
    """A log whose secrets lie across the border of its two chunks, and records that speak of them."""
    text = f"first\r\npassword={CANARY};\r\n<Password><Value>{CANARY}</Value></Password>\r\npwd={CANARY} end\r\n"
    octets = text.encode(encoding)
    cut = octets.index("Canary".encode(encoding)[-8:]) + 4
    facts = {"url": pb.Value(text=f"http://a:{CANARY}@host/"), "client_secret": pb.Value(text=CANARY)}
    seen = pb.Observation(probe="target", target="host", outcome="ok", reason="answered", facts=facts)
    found = pb.Finding(id="x", title="t", evidence=[pb.Evidence(file=LOG, line=2, text=f"password={CANARY}")])
    return [
        chunk(1, octets[:cut]),
        chunk(2, octets[cut:], cut, hashlib.sha256(octets).digest()),
        pb.Frame(sequence=3, observation=seen),
        pb.Frame(sequence=4, finding=found),
        pb.Frame(sequence=5, event=pb.Event(at_s=1, adapter="eth0", kind="link-up", detail=f"token={CANARY}")),
        pb.Frame(sequence=6, summary=pb.Summary(status="fault", title=f"password={CANARY}")),
    ]


def octets_of(data):
    return b"".join(path.read_bytes() for path in sorted(data.rglob("collector.sqlite*")))


def shown(cli, data, frames):
    report = json.loads(cli("show", frames.report_id.hex(), "--format", "json", data=data).stdout)
    log = cli("show", frames.report_id.hex(), "--log", LOG, data=data)
    return report, log.stdout


def assert_no_canary(cli, data, frames, encoding):
    report, log = shown(cli, data, frames)
    exported = cli("export", data=data).stdout
    for octets in (json.dumps(report).encode(), exported, octets_of(data)):
        assert CANARY.encode() not in octets
        assert CANARY.encode("utf-16-le") not in octets
    text = log.decode(encoding)
    assert "Canary" not in text
    assert "Bird" not in text
    assert text.count("\n") == 4
    assert report["logs"][0]["intact"] is True
    manifest = "SELECT place, rule, removed FROM redaction ORDER BY place, rule"
    rows = json.loads(cli("sql", manifest, "--format", "json", data=data).stdout)
    assert {"place": LOG, "rule": "xml-element", "removed": 1} in rows
    assert {"finding", "observation", "event", "summary", LOG} == {row["place"] for row in rows}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_secret_that_comes_by_stream_is_not_stored(collector, cli, frames, encoding):
    client = collector.client()
    client.send(frames.hello(collector.token), *leaky(encoding)).end()
    client.stored_through(6)
    assert_no_canary(cli, collector.data, frames, encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_secret_that_is_carried_here_is_not_stored(cli, data, frames, tmp_path, encoding):
    path = tmp_path / "carried.pespool"
    path.write_bytes(
        MAGIC + b"".join(encode_record(f.SerializeToString()) for f in [frames.hello(""), *leaky(encoding)])
    )
    assert cli("import", str(path), data=data).returncode == 0
    assert_no_canary(cli, data, frames, encoding)


@pytest.mark.parametrize("codec", ["", "zlib"])
def test_a_report_without_secrets_is_stored_octet_for_octet(collector, cli, frames, codec):
    whole = [chunk(1, CLEAN * 50, sha256=hashlib.sha256(CLEAN * 50).digest(), codec=codec), *frames.whole()[1:]]
    client = collector.client()
    client.send(frames.hello(collector.token), *whole).end()
    client.stored_through(5)
    report, log = shown(cli, collector.data, frames)
    assert log == CLEAN * 50
    assert report["logs"][0]["intact"] is True
    assert json.loads(
        cli("sql", "SELECT count(*) AS n FROM redaction", "--format", "json", data=collector.data).stdout
    ) == [{"n": 0}]


def test_the_key_is_made_once_and_nobody_else_may_read_it(collector, start):
    path = collector.data / "redaction.key"
    first = path.read_bytes()
    assert (len(first), path.stat().st_mode & 0o777) == (32, 0o600)
    collector.stop()
    start()
    assert path.read_bytes() == first
