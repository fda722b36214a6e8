"""`pe-agent send`: kept reports reach a collector later; a file goes only when all of it is stored."""

import os
import subprocess
import sys

import pytest
from pe_agent import model, plain, wire
from pe_agent.spool import Spool

BEGAN = model.Clock(100.0, 1_700_000_000_000)
RECORDS = (
    model.Observation("wds-rpc", "10.0.0.1:5040", model.Outcome.FAILED, model.Reason.FILTERED),
    model.LogChunk("X:\\setupact.log", 0, b"line\r\n" * 1000, 6000),
    model.Verdict(model.Status.FAULT, "TCP 5040 is filtered"),
)


def an_opening():
    identity = model.Identity(serial="SN-1", macs=("02:00:00:00:00:01",))
    return model.Opening(os.urandom(16), "0.1.0", "auto", identity, model.Boot(BEGAN, image_build="build-1"))


def keep(folder, records=RECORDS):
    opening = an_opening()
    spool = Spool.create([folder], opening.report_id.hex())
    spool.append(wire.encode_hello(opening, BEGAN).SerializeToString())
    for number, record in enumerate(records, start=1):
        spool.append(wire.encode_record(number, record).SerializeToString())
    spool.close()
    return spool.path


def keep_as_json(folder):
    folder.mkdir(exist_ok=True)
    report = model.Report(an_opening(), RECORDS)
    path = folder / f"{report.opening.report_id.hex()}.jsonl"
    path.write_text(plain.report_to_json(report, BEGAN) + "\n")
    return path


def send(collector, *arguments, wrapper=(), by=("collector", "upload")):
    ways = {"collector": collector.address, "upload": collector.upload_address}
    addresses = [word for way in by for word in (f"--{way}", ways[way])]
    trust = ["--ca", str(collector.data / "ca.pem"), "--token-file", str(collector.data / "first.token")]
    command = [*wrapper, sys.executable, "-m", "pe_agent", "send", *map(str, arguments), *addresses, *trust]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("way", ["collector", "upload"])
@pytest.mark.parametrize("kept", [keep, keep_as_json], ids=["bundle", "json"])
def test_a_kept_report_is_stored_and_deleted(uploads, tmp_path, way, kept):
    path = kept(tmp_path / "spool")
    done = send(uploads, tmp_path / "spool", by=(way,))
    assert done.returncode == 0, done.stdout + done.stderr
    assert uploads.reports() == [(path.stem, 3, 1, "fault")]
    assert not path.exists()
    assert model.receipt_code(bytes.fromhex(path.stem)) in done.stdout


def test_a_report_that_was_cut_off_is_stored_as_incomplete_and_deleted(uploads, tmp_path):
    paths = [keep(tmp_path / "spool", RECORDS[:2]) for _ in range(2)]
    assert send(uploads, paths[0], by=("collector",)).returncode == 0
    assert send(uploads, paths[1], by=("upload",)).returncode == 0
    assert uploads.reports("stored_through, complete") == [(2, 0), (2, 0)]
    assert not any(path.exists() for path in paths)


def test_without_a_collector_the_report_stays(stopped_collector, tmp_path):
    path = keep(tmp_path / "spool")
    done = send(stopped_collector, path, "--timeout", "2", by=("collector",))
    assert done.returncode == 30
    assert "NOT delivered" in done.stdout
    assert path.exists()


def test_the_boot_stays_where_it_was_in_time(uploads, tmp_path):
    keep(tmp_path / "spool")
    send(uploads, tmp_path / "spool")
    # It booted 100 s before BEGAN by its own clock, whenever it is sent.
    ((booted_at,),) = uploads.reports("booted_at")
    assert booted_at == pytest.approx(BEGAN.wall_ms / 1000 - 100, abs=30)


def test_of_a_damaged_report_what_is_whole_is_stored_and_the_file_stays(uploads, tmp_path):
    path = keep(tmp_path / "spool")
    octets = bytearray(path.read_bytes())
    octets[-5] ^= 0xFF
    path.write_bytes(octets)
    done = send(uploads, path)
    assert done.returncode == 30
    assert "damaged" in done.stdout
    assert "pe-collector import" in done.stdout
    assert path.exists()
    assert uploads.reports("stored_through, complete") == [(2, 0)]


def test_one_file_of_nonsense_does_not_hold_up_the_others(uploads, tmp_path):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0.jsonl").write_text("what is this\n")
    path = keep(tmp_path / "spool")
    done = send(uploads, tmp_path / "spool")
    assert done.returncode == 30
    assert not path.exists()
    assert (tmp_path / "spool" / "0.jsonl").exists()


def test_an_empty_spool_is_no_failure(uploads, tmp_path):
    done = send(uploads, tmp_path)
    assert (done.returncode, done.stdout) == (0, "no kept report found\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["/nowhere/at/all", "--collector", "127.0.0.1:1", "--plain"], "no such file"), (["."], "nobody to send to")],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments, message):
    command = [sys.executable, "-m", "pe_agent", "send", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PE_AGENT_")}
    done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def can_mount():
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="mounting a volume of our own needs root")
@pytest.mark.parametrize("marked", [True, False])
def test_reports_come_from_marked_volumes_only(uploads, tmp_path, marked):
    kept, volume = tmp_path / "kept", tmp_path / "a volume"
    volume.mkdir()
    keep(kept)
    # A mount namespace of its own; proc(5) writes the blank in the name as \040.
    script = 'mount -t tmpfs none "$1" && mkdir "$1/pe-agent" && cp "$2"/* "$1/pe-agent" && '
    script += ('touch "$1/pe-agent.usb" && ' if marked else "") + 'shift 2 && exec "$@"'
    done = send(uploads, "--usb", wrapper=("unshare", "--mount", "sh", "-c", script, "sh", str(volume), str(kept)))
    assert done.returncode == 0, done.stderr
    assert len(uploads.reports()) == (1 if marked else 0)
    assert ("stored as" if marked else "no kept report found") in done.stdout
