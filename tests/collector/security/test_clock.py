"""Does a machine whose clock is years off still deliver, and is it told?"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

# Of the battery of a PE that was never set, and of one that was set to the wrong decade.
CLOCKS = {"-4000d": -4000 * 86400, "+2000d": 2000 * 86400}
FAR_AHEAD = "+5000d"

pytestmark = pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")


def agent(collector, clock, tmp_path):
    """`pe-agent report` under another clock; only the wall clock is another."""
    told = ["--collector", collector.address, "--ca", str(collector.data / "ca.pem"), "--only", "architecture"]
    told += ["--token-file", str(collector.data / "first.token"), "--format", "json", "--timeout", "15"]
    command = ["faketime", "-f", clock, sys.executable, "-m", "pe_agent", "report", *told]
    told = [*command, "--spool", str(tmp_path / "spool"), "--sysroot", str(tmp_path)]
    environment = dict(os.environ) | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return subprocess.run(told, capture_output=True, timeout=120, check=False, env=environment)


@pytest.mark.parametrize("clock", sorted(CLOCKS))
def test_a_clock_that_is_years_off_delivers_and_the_collector_says_by_how_much(start, cli, tmp_path, clock):
    collector = start(tls=True)
    done = agent(collector, clock, tmp_path)
    assert done.returncode < 30, done.stderr
    code = re.search(r"stored as ([0-9A-Z-]+)", json.loads(done.stdout)["delivery"])[1]
    report = json.loads(cli("show", code, "--format", "json", data=collector.data).stdout)
    assert report["complete"]
    away = {"-4000d": "11 years behind", "+2000d": "5 years ahead of"}[clock]
    assert f"this machine's clock is {away} the collector's: set it in the BIOS" in json.loads(done.stdout)["delivery"]
    assert report["clock_skew_s"] == pytest.approx(CLOCKS[clock], abs=300)
    assert "the machine's clock is off by" in cli("show", code, data=collector.data).stdout.decode()


def test_a_clock_beyond_the_certificate_keeps_the_report_and_says_so(start, tmp_path):
    collector = start(tls=True)
    done = agent(collector, FAR_AHEAD, tmp_path)
    assert done.returncode == 30, done.stderr
    assert list((tmp_path / "spool").glob("*.pespool"))
    said = json.loads(done.stdout)["delivery"]
    assert "certificate has expired" in said
    assert re.search(
        r"this machine's clock says 20\d\d-\d\d-\d\d, \d+ (days|years) after the dates of the collector's CA", said
    )
    assert "set it in the BIOS" in said
    assert "check the address" not in said
