"""Noise, lies, slowness and crowds at the ingest port: memory stays bounded, and who speaks properly is served."""

import contextlib
import resource
import time

import pytest

from tests.delivery import strangers
from tests.delivery.loading import acknowledged, assert_whole, finished, loadgen, stored
from tests.delivery.strangers import anyone, connect, malformed, resident_octets, said, seeded

MIB = 1024 * 1024
MOST_GROWTH = 200 * MIB


@pytest.fixture
def plain_collector(stopped_collector):
    stopped_collector.plain = True
    yield stopped_collector.start()
    stopped_collector.stop()


def assert_good_agents_are_served(collector, acks):
    load = ("--agents", 4, "--reports", 8, "--log-bytes", 20_000, "--give-up", 120)
    code, told, complained = finished(loadgen(collector, acks, *load))
    assert code == 0, told + complained
    assert acknowledged(acks) <= stored(collector)


@pytest.mark.parametrize("rounds", [1, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_malformed_octets_harm_nobody(plain_collector, tmp_path, rounds):
    chance = seeded(time.time_ns())
    assert_good_agents_are_served(plain_collector, tmp_path / "before")
    before = resident_octets(plain_collector.process)
    for _ in range(rounds):
        for octets in malformed(chance).values():
            said(plain_collector.address, octets)
    assert plain_collector.process.poll() is None
    assert resident_octets(plain_collector.process) - before < MOST_GROWTH
    assert_good_agents_are_served(plain_collector, tmp_path / "after")
    assert len(plain_collector.reports()) == 16
    assert_whole(plain_collector)


def test_malformed_octets_inside_tls_harm_nobody(collector, tmp_path):
    for octets in malformed(seeded(time.time_ns())).values():
        said(collector.address, octets, tls=anyone())
        said(collector.address, octets)
    assert collector.process.poll() is None
    assert_good_agents_are_served(collector, tmp_path / "acks")


def test_an_oversize_message_is_not_gathered_in_memory(plain_collector):
    before = resident_octets(plain_collector.process)
    giant = strangers.opened(strangers.message(b"", length=1 << 31))
    with contextlib.ExitStack() as open_ones:
        for _ in range(8):
            sock = open_ones.enter_context(connect(plain_collector.address))
            sock.settimeout(0.5)
            with contextlib.suppress(OSError):
                sock.sendall(giant)
                for _ in range(2000):
                    sock.sendall(strangers.h2_frame(strangers.DATA, 0, 1, b"x" * 16384))
        assert resident_octets(plain_collector.process) - before < 64 * MIB


def slow_ones(collector):
    """Connections that say a little of what is due and then nothing: before TLS, in it, after it."""
    beginnings = ((None, b"\x16\x03\x01\x02"), (anyone(), b""), (anyone(), strangers.PREFACE[:10]))
    beginnings += ((anyone(), strangers.opened(strangers.message(b"x" * 10, length=5000))),)
    for tls, octets in beginnings * 25:
        sock = connect(collector.address, tls=tls)
        sock.sendall(octets)
        yield sock


def test_slow_senders_hold_nobody_up(collector, tmp_path):
    before = resident_octets(collector.process)
    with contextlib.ExitStack() as open_ones:
        for sock in slow_ones(collector):
            open_ones.enter_context(sock)
        assert_good_agents_are_served(collector, tmp_path / "acks")
        assert resident_octets(collector.process) - before < MOST_GROWTH


@pytest.mark.parametrize(
    "crowd", [500, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])], ids=["some", "many"]
)
def test_idle_connections_cost_little_and_hold_nobody_up(stopped_collector, tmp_path, crowd):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As many as this machine lets one process open, never so few that nothing is shown.
    crowd = min(crowd, hard - 200)
    assert crowd >= 500, f"700 open files are needed, {hard} are allowed: raise `ulimit -Hn`"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, crowd + 200), hard))
    tls, collector = anyone(), stopped_collector.start()
    try:
        before = resident_octets(collector.process)
        with contextlib.ExitStack() as open_ones:
            for _ in range(crowd):
                open_ones.enter_context(connect(collector.address, tls=tls))
            each = (resident_octets(collector.process) - before) / crowd
            print(f"{each / 1024:.0f} KiB for each of {crowd} idle TLS connections")
            assert each < 100 * 1024
            assert_good_agents_are_served(collector, tmp_path / "acks")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        collector.stop()
