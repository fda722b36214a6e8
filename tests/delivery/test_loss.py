"""What was acknowledged is stored, once: whatever dies, stops, jumps or is set back."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pe_agent import model, ship, wire
from pe_agent.bundle import Damage, read_bundle

from tests.delivery.loading import acknowledged, assert_whole, finished, loadgen, stored, wait_for

SOAK = pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])
CLOCK = model.Clock(100.0, 1_700_000_000_000)
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def chance_of(seed=None):
    seed = seed or time.time_ns()
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.mark.parametrize("rounds", [3, SOAK])
def test_what_killed_agents_left_stands_as_incomplete(collector, tmp_path, rounds):
    chance = chance_of()
    sure = set()
    for number in range(rounds):
        acks = tmp_path / f"acks-{number}"
        agents = loadgen(collector, acks, "--agents", 50, "--reports", 100_000, "--log-bytes", 20_000)
        try:
            assert wait_for(lambda acks=acks: acknowledged(acks))
            time.sleep(chance.uniform(0.0, 1.0))
        finally:
            agents.kill()
            finished(agents)
        sure |= acknowledged(acks)
        assert sure <= stored(collector)
    assert_whole(collector)
    outcomes = {outcome for _, _, complete, outcome in collector.reports() if not complete}
    assert outcomes <= {"incomplete"}
    acks = tmp_path / "acks-last"
    assert finished(loadgen(collector, acks, "--agents", 5, "--reports", 5))[0] == 0
    assert acknowledged(acks) <= stored(collector)


def test_a_killed_agents_report_is_incomplete_until_its_spool_is_sent(collector, tmp_path):
    root, spool = tmp_path / "root", tmp_path / "spool"
    (root / "Windows" / "Panther").mkdir(parents=True)
    (root / "Windows" / "Panther" / "setupact.log").write_bytes(b"a line\r\n" * 2000)
    told = {name: value for name, value in os.environ.items() if not name.startswith("PE_AGENT_")}
    told |= {"PE_AGENT_ONLY": "address,architecture"}
    trust = ("--collector", collector.address, "--ca", str(collector.data / "ca.pem"))
    trust += ("--token-file", str(collector.data / "first.token"))
    auto = ("auto", "--foreground", "--watch", "600", "--sysroot", str(root), "--spool", str(spool))
    agent = subprocess.Popen([sys.executable, "-m", "pe_agent", *auto, *trust], env=told, stdout=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: [r for r in collector.reports() if r[1] >= 2])
    finally:
        agent.kill()
        agent.wait()
    ((report_id, arrived, complete, outcome),) = collector.reports()
    assert (complete, outcome) == (0, "incomplete")
    (kept,) = spool.glob("*.pespool")
    records = [record for record in read_bundle(kept.read_bytes()) if not isinstance(record, Damage)]
    assert len(records) - 1 >= arrived
    done = subprocess.run([sys.executable, "-m", "pe_agent", "send", str(kept), *trust], env=told, check=False)
    assert done.returncode == 0
    assert collector.reports() == [(report_id, len(records) - 1, 0, "incomplete")]
    assert not kept.exists()


@pytest.mark.parametrize("rounds", [3, SOAK])
def test_an_upgrade_in_place_under_load_loses_nothing(stopped_collector, tmp_path, rounds):
    chance = chance_of()
    acks, reports = tmp_path / "acks", 120 * rounds
    collector = stopped_collector.start()
    load = ("--agents", 50, "--reports", reports, "--log-bytes", 20_000, "--give-up", 3000)
    agents = loadgen(collector, acks, *load)
    try:
        for number in range(1, rounds + 1):
            wait_for(lambda number=number: len(acknowledged(acks)) >= min(number * 60, reports))
            time.sleep(chance.uniform(0.0, 0.3))
            assert collector.stop(signal.SIGTERM) == 0
            assert acknowledged(acks) <= stored(collector)
            collector.start()
        code, said, complained = finished(agents, 3000)
        assert code == 0, said + complained
    finally:
        agents.kill()
        collector.stop()
    assert acknowledged(acks) == stored(collector)
    assert len(acknowledged(acks)) == len(collector.reports()) == reports
    assert_whole(collector)


def test_a_stop_tells_each_open_stream_what_it_stored(collector):
    openings = [
        model.Opening(os.urandom(16), "0.1.0", "report", model.Identity(), model.Boot(CLOCK)) for _ in range(10)
    ]
    under_way = [ship.Shipment(o, lambda: CLOCK, (collector.address,), collector.trust) for o in openings]
    event = model.Event(1.0, "eth0", model.EventKind.LINK_UP)
    for each in under_way:
        for number in range(1, 51):
            each.put(wire.encode_record(number, event))
    assert wait_for(lambda: all(each._stored.stored_through >= 1 for each in under_way))
    assert collector.stop(signal.SIGTERM) == 0
    at_rest = dict(collector.reports("report_id, stored_through"))
    # What the last receipts said is there; a receipt that the farewell overtook may say less than is stored.
    for opening, each in zip(openings, under_way, strict=True):
        assert 1 <= each._stored.stored_through <= at_rest[opening.report_id.hex()]
    collector.start()
    for each in under_way:
        each.finish()
    assert [each.wait(60).stored_through for each in under_way] == [50] * 10


def test_a_database_set_back_to_a_backup_gets_again_what_agents_still_have(stopped_collector, tmp_path):
    collector = stopped_collector.start()
    opening = model.Opening(os.urandom(16), "0.1.0", "report", model.Identity(), model.Boot(CLOCK))
    under_way = ship.Shipment(opening, lambda: CLOCK, (collector.address,), collector.trust)
    path = collector.data / "collector.sqlite"
    records = [model.Event(float(n), "eth0", model.EventKind.LINK_UP) for n in range(4)]
    records.append(model.Verdict(model.Status.HEALTHY, "fine"))
    under_way.put(wire.encode_record(1, records[0]))
    assert wait_for(lambda: under_way._stored.stored_through == 1)
    with (
        contextlib.closing(sqlite3.connect(path)) as now,
        contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        now.backup(copy)
    for number in (2, 3, 4):
        under_way.put(wire.encode_record(number, records[number - 1]))
    assert wait_for(lambda: under_way._stored.stored_through == 4)
    collector.stop(signal.SIGKILL)
    for stale in collector.data.glob("collector.sqlite*"):
        stale.unlink()
    shutil.copy(tmp_path / "copy", path)
    collector.start()
    try:
        # Before anything more is to be said: what is acknowledged is what the older database has.
        assert wait_for(lambda: collector.reports() == [(opening.report_id.hex(), 4, 0, "incomplete")])
        under_way.put(wire.encode_record(5, records[4]))
        under_way.finish()
        assert under_way.wait(60).complete
        assert collector.reports() == [(opening.report_id.hex(), 5, 1, "healthy")]
    finally:
        collector.stop()


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("who", ["collector", "agents"])
def test_jumps_of_the_clock_lose_nothing(stopped_collector, tmp_path, who):
    collector, clock = stopped_collector, tmp_path / "clock"
    clock.write_text("+0\n")
    jumping = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1"}
    jumping |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    if who == "collector":
        collector.environment = jumping
    collector.start()
    acks = tmp_path / "acks"
    environment = os.environ | (jumping if who == "agents" else {})
    load = ("--agents", 20, "--reports", 1_000_000, "--rate", 40, "--log-bytes", 2_000, "--cut", 0.2, "--give-up", 250)
    agents = loadgen(collector, acks, *load, environment=environment)
    try:
        for number, jump in enumerate(("+0", "+1h", "-300d", "+80d"), start=1):
            clock.write_text(jump + "\n")
            assert wait_for(lambda number=number: skews(collector) >= number), jump
        clock.write_text("+0\n")
        agents.send_signal(signal.SIGTERM)
        finished(agents)
        sure = acknowledged(acks)
        code, said, complained = finished(loadgen(collector, acks, "--agents", 5, "--reports", 50))
        assert code == 0, said + complained
    finally:
        agents.kill()
        collector.stop()
    assert len(sure) >= 4
    assert acknowledged(acks) <= stored(collector)
    assert_whole(collector)


def skews(collector):
    """How many differences between the two clocks were seen, in half hours."""
    return collector.reports("count(DISTINCT round(clock_skew_s / 1800))")[0][0]
