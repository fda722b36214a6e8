"""A disk that takes nothing more, on either side: what was acknowledged stays, and the rest is said."""

import os
import resource
import subprocess
import sys

import pytest

from tests.delivery.loading import acknowledged, assert_whole, finished, loadgen, stored, wait_for

QUIET = {"PE_AGENT_ONLY": "address,architecture"}


def bound_files(pid, octets):
    """No file of that process grows beyond this: a disk that is full for it alone."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, hard))


@pytest.mark.parametrize("rounds", [2, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_collector_whose_disk_fills_up_keeps_what_it_acknowledged_and_goes_on_when_there_is_room(
    collector, tmp_path, rounds
):
    acks, reports = tmp_path / "acks", 0
    agents = loadgen(collector, acks, "--agents", 50, "--reports", 1_000_000, "--log-bytes", 20_000)
    database = collector.data / "collector.sqlite"
    try:
        for _ in range(rounds):
            goal = len(acknowledged(acks)) + 60
            assert wait_for(lambda goal=goal: len(acknowledged(acks)) >= goal)
            log = database.with_name(database.name + "-wal")
            bound_files(collector.process.pid, max(database.stat().st_size, log.stat().st_size) + 20_000)
            assert wait_for(lambda: refused_since(acks))
            assert collector.process.poll() is None
            reports = len(acknowledged(acks))
            assert acknowledged(acks) <= stored(collector)
            bound_files(collector.process.pid, resource.RLIM_INFINITY)
            assert wait_for(lambda reports=reports: len(acknowledged(acks)) > reports)
    finally:
        agents.kill()
        finished(agents)
    assert acknowledged(acks) <= stored(collector)
    assert_whole(collector)


def refused_since(acks, still_s=2.0):
    """Nothing was acknowledged for a while."""
    before = len(acknowledged(acks))
    return not wait_for(lambda: len(acknowledged(acks)) > before, still_s)


def report(tmp_path, *arguments, octets):
    root = tmp_path / "root"
    (root / "Windows" / "Panther").mkdir(parents=True)
    (root / "Windows" / "Panther" / "setupact.log").write_bytes(os.urandom(30_000))
    told = {name: value for name, value in os.environ.items() if not name.startswith("PE_AGENT_")} | QUIET
    command = [sys.executable, "-m", "pe_agent", "report", "--sysroot", str(root), "--spool", str(tmp_path / "spool")]

    def bound():
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, octets))

    return subprocess.run(
        [*command, *arguments], env=told, capture_output=True, text=True, preexec_fn=bound, check=False
    )


def test_an_agent_whose_disk_is_full_still_delivers(collector, tmp_path):
    trust = ("--ca", str(collector.data / "ca.pem"), "--token-file", str(collector.data / "first.token"))
    done = report(tmp_path, "--collector", collector.address, *trust, octets=2_000)
    assert "safe to reboot" in done.stdout, done.stderr
    ((_, _, complete, _),) = collector.reports()
    assert complete


def test_an_agent_that_can_neither_deliver_nor_keep_says_so(tmp_path):
    done = report(tmp_path, "--collector", "127.0.0.1:1", "--plain", "--timeout", "1", octets=2_000)
    assert done.returncode == 40
    assert "NOT kept" in done.stdout
    assert "File too large" in done.stdout
