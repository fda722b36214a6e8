"""The run that the boot hook starts: it watches from the first moment, keeps reports on marked volumes, and ends."""

import os
import signal
import subprocess
import sys
import time

import pytest
from pe_agent import wire
from pe_agent.bundle import read_bundle
from pe_agent.model import LogChunk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace without addresses needs root")

LINE = b"2008-07-28 10:15:01, Error                 IBS    CreateClientSession: Error code [0x800706BA]\r\n"
# A network without anything: the wait for an address lasts as long as it may.
ALONE = ["unshare", "--net", "--mount", "--kill-child"]


def start(folder, *words, mount="", after="true"):
    """`auto --foreground` with its system root and temporary folder below `folder`."""
    panther = folder / "root" / "Windows" / "Panther"
    panther.mkdir(parents=True)
    (panther / "setupact.log").write_bytes(LINE)
    command = [sys.executable, "-m", "pe_agent", "auto", "--foreground", "--no-send", "--only", "address", *words]
    shell = f"{mount} {' '.join(command)} --sysroot {folder / 'root'} && {after}"
    environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    return subprocess.Popen([*ALONE, "sh", "-c", shell], env=environment, start_new_session=True)


def chunks(path):
    frames = [wire.parse_frame(record) for record in read_bundle(path.read_bytes()) if isinstance(record, bytes)]
    return [record for record in map(wire.decode_record, frames[1:]) if isinstance(record, LogChunk)]


def test_an_agent_that_dies_while_it_waits_for_an_address_has_kept_the_log(tmp_path):
    process = start(tmp_path, "--wait-for-address", "30")
    try:
        until_s = time.monotonic() + 20
        kept = []
        while not kept and time.monotonic() < until_s:
            time.sleep(0.2)
            spools = list((tmp_path / "state").rglob("*.pespool"))
            kept = chunks(spools[0]) if spools else []
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert [chunk.octets for chunk in kept] == [LINE]


def test_a_report_is_kept_on_a_marked_volume_before_any_other_place(tmp_path):
    stick, proof = tmp_path / "stick", tmp_path / "proof"
    stick.mkdir()
    mount = f"mount -t tmpfs stick {stick}; touch {stick}/pe-agent.usb;"
    # The mount is seen inside only, and gone with the last process in there.
    process = start(tmp_path, "--wait-for-address", "0.1", "--watch", "1", mount=mount, after=f"cp -r {stick} {proof}")
    assert process.wait(60) == 0
    assert list(proof.glob("pe-agent/*.pespool"))
    assert not list((tmp_path / "state").rglob("*.pespool"))


def test_the_run_ends_by_itself_after_its_bounded_time(tmp_path):
    began = time.monotonic()
    assert start(tmp_path, "--wait-for-address", "1", "--watch", "1").wait(60) == 0
    assert 2 <= time.monotonic() - began < 20
