"""Under load, with kills and cuts: what was acknowledged is stored, nothing twice, nothing missing."""

import random
import signal
import time

import pytest
from pe_agent.trust import Trust

from tests.delivery.loading import acknowledged, assert_whole, finished, loadgen, stored


def test_every_report_is_acknowledged_and_stored_once(collector, tmp_path):
    acks = tmp_path / "acks"
    code, said, complained = finished(loadgen(collector, acks, "--agents", 8, "--reports", 40, "--log-bytes", 5000))
    assert (code, complained) == (0, "")
    assert "40 of 40 reports acknowledged" in said
    assert len(acknowledged(acks)) == 40
    assert acknowledged(acks) == stored(collector)
    assert_whole(collector)


def test_streams_that_break_off_are_resumed_and_count_once(collector, tmp_path):
    acks = tmp_path / "acks"
    load = ("--agents", 8, "--reports", 40, "--log-bytes", 5000, "--cut", 0.6)
    assert finished(loadgen(collector, acks, *load))[0] == 0
    assert len(collector.reports()) == 40
    assert acknowledged(acks) == stored(collector)
    assert_whole(collector)


def test_a_rate_is_kept(collector, tmp_path):
    began_s = time.monotonic()
    load = ("--agents", 4, "--reports", 20, "--log-bytes", 0, "--rate", 10)
    assert finished(loadgen(collector, tmp_path / "acks", *load))[0] == 0
    assert time.monotonic() - began_s > 1.9


def test_what_was_not_acknowledged_is_told_by_the_exit_code(stopped_collector, tmp_path):
    acks = tmp_path / "acks"
    code, said, _ = finished(loadgen(stopped_collector, acks, "--agents", 1, "--reports", 2, "--give-up", 2))
    assert code == 30
    assert "0 of 2 reports acknowledged" in said
    assert "UNAVAILABLE" in said
    assert acknowledged(acks) == set()


def test_a_refused_token_ends_the_load_at_once(collector, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("abc.def\n")
    load = ("--agents", 2, "--reports", 4, "--token-file", wrong)
    code, said, _ = finished(loadgen(collector, tmp_path / "acks", *load))
    assert code == 30
    assert "UNAUTHENTICATED" in said


def test_without_tls_only_loopback_is_allowed(stopped_collector, tmp_path):
    stopped_collector.plain = True
    process = loadgen(stopped_collector, tmp_path / "acks", "--collector", "192.0.2.9:7443")
    code, _, complained = finished(process)
    assert code == 2
    assert "loopback" in complained


def killed_and_restarted(collector, acks, chance, rounds):
    """Kill and restart under load; after each kill, before the restart, what was acknowledged must be there."""
    for _ in range(rounds):
        time.sleep(chance.uniform(0.05, 1.5))
        collector.stop(signal.SIGKILL)
        sure = acknowledged(acks)
        assert sure <= stored(collector)
        collector.start()


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_acknowledged_is_stored_when_the_collector_is_killed_under_load(stopped_collector, tmp_path, rounds):
    seed = time.time_ns()
    print(f"seed {seed}")
    acks = tmp_path / "acks"
    collector = stopped_collector.start()
    reports = 100 * rounds
    load = ("--agents", 50, "--reports", reports, "--log-bytes", 20_000, "--cut", 0.1, "--give-up", 1500)
    try:
        process = loadgen(collector, acks, *load)
        killed_and_restarted(collector, acks, random.Random(seed), rounds)
        said, complained = process.communicate(timeout=1600)
        assert process.returncode == 0, said + complained
    finally:
        process.kill()
        collector.stop()
    assert len(acknowledged(acks)) == reports
    assert acknowledged(acks) == stored(collector)
    assert len(collector.reports()) == reports
    assert_whole(collector)


def test_the_load_is_made_of_whole_reports():
    from pe_agent import wire
    from pe_collector.limits import Limits, read_hello, read_record
    from pe_collector.loadgen import Load, make_frames

    hello, *rest = make_frames(random.Random(1), Load(1, 1, log_bytes=200_000), Trust(token="t.s").token)
    assert read_hello(hello, Limits()).token == "t.s"
    frames = [read_record(octets, Limits()) for octets in rest]
    bodies = [frame.WhichOneof("body") for frame in frames]
    assert bodies == ["observation"] * 12 + ["log", "summary"]
    assert len(wire.decode_record(frames[12]).octets) == 200_000
