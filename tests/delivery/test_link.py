"""A link that goes down and up under load: everything arrives, once."""

import contextlib
import os
import random
import shutil
import subprocess
import time

import pytest

from tests.delivery.loading import acknowledged, assert_whole, finished, loadgen, stored, wait_for

HERE, THERE = "10.99.0.1", "10.99.0.2"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def can_make_namespaces():
    if shutil.which("ip") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def link():
    """Two namespaces and a link between them: their names, the agents' first."""
    names = tuple(f"pe{os.getpid()}{end}" for end in "ab")
    with contextlib.ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
        ip("-n", names[0], "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", names[1])
        for name, address in zip(names, (HERE, THERE), strict=True):
            ip("-n", name, "address", "add", f"{address}/30", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "up")
        yield names


@pytest.mark.lab
@pytest.mark.skipif(not can_make_namespaces(), reason="network namespaces need root and iproute2")
@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_flapping_link_loses_nothing(stopped_collector, link, tmp_path, rounds):
    seed = time.time_ns()
    print(f"seed {seed}")
    chance = random.Random(seed)
    agents_end, collector_end = link
    collector, acks, reports = stopped_collector, tmp_path / "acks", 80 * rounds
    collector.host, collector.wrapper = THERE, ("ip", "netns", "exec", collector_end)
    collector.start()
    load = ("--agents", 20, "--reports", reports, "--log-bytes", 20_000, "--give-up", 3000)
    agents = loadgen(collector, acks, *load, wrapper=("ip", "netns", "exec", agents_end))
    try:
        for number in range(1, rounds + 1):
            assert wait_for(lambda number=number: len(acknowledged(acks)) >= min(number * 40, reports))
            ip("-n", agents_end, "link", "set", "wire", "down")
            time.sleep(chance.uniform(0.1, 1.5))
            ip("-n", agents_end, "link", "set", "wire", "up")
        code, said, complained = finished(agents, 3000)
        assert code == 0, said + complained
    finally:
        agents.kill()
        collector.stop()
    assert acknowledged(acks) == stored(collector)
    assert len(acknowledged(acks)) == len(collector.reports()) == reports
    assert_whole(collector)
