"""The primary dies under load from three collectors: what was acknowledged is on the standby that takes its place."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pe_collector.store.where import VARIABLE

from tests.collector.conftest import Collector, run_cli, start_collector
from tests.store.cluster import USER, Cluster, programs
from tests.store.hub import FRAMES

HUBS = 3
BEFORE, AFTER = 60, 60
SENT = 400
PATIENCE_S = 90.0


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary that commits only what its standby has on disk too."""
    pytest.importorskip("psycopg")
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pe-pg-"))
    primary, standby = Cluster(folder).make(), Cluster(folder, "standby")
    primary.start("synchronous_standby_names=standby")
    where = f"host={folder} port={primary.port} user={USER} application_name=standby"
    primary.must("pg_basebackup", "-D", str(standby.data), "-d", where, "-R", "-X", "stream", "--checkpoint=fast")
    standby.start("synchronous_standby_names=")
    yield primary, standby
    for one in (primary, standby):
        one.stop()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Hub:
    process: "subprocess.Popen[str]"
    acknowledged: list[str] = field(default_factory=list)


def start_hub(folder: Path, number: int, url: str) -> Hub:
    (folder / str(number)).mkdir()
    command = [sys.executable, "-m", "tests.store.hub", str(folder / str(number)), str(number)]
    environment = {**os.environ, VARIABLE: url, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1
    )
    return Hub(process)


def wait_for(hubs: list[Hub], least: list[int]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while any(len(hub.acknowledged) < least[n] for n, hub in enumerate(hubs)):
        assert time.monotonic() < until_s, [len(hub.acknowledged) for hub in hubs]
        assert all(hub.process.poll() is None for hub in hubs)
        time.sleep(0.02)


def url_of(pair: tuple[Cluster, Cluster]) -> str:
    primary, standby = pair
    return (
        f"postgresql://{USER}@/postgres?host={primary.folder},{primary.folder}&port={primary.port},{standby.port}"
        "&target_session_attrs=read-write"
    )


def fail_over(pair: tuple[Cluster, Cluster], folder: Path) -> None:
    primary, standby = pair
    url = url_of(pair)
    hubs = [start_hub(folder, number, url) for number in range(1, HUBS + 1)]
    threads = []
    try:
        for hub in hubs:
            thread = threading.Thread(target=_listen, args=(hub,), daemon=True)
            thread.start()
            threads.append(thread)
        wait_for(hubs, [BEFORE] * HUBS)
        primary.kill()
        standby.must("pg_ctl", "-D", str(standby.data), "-w", "promote")
        wait_for(hubs, [len(hub.acknowledged) + AFTER for hub in hubs])
    finally:
        for hub in hubs:
            hub.process.stdin.close()
    for hub, thread in zip(hubs, threads, strict=True):
        assert hub.process.wait(PATIENCE_S) == 0
        thread.join(PATIENCE_S)
        hub.process.stdout.close()
    check(standby, {report_id for hub in hubs for report_id in hub.acknowledged})


def _listen(hub: Hub) -> None:
    for line in hub.process.stdout:
        hub.acknowledged.append(line.strip())


def check(standby: Cluster, acknowledged: set[str]) -> None:
    import psycopg

    asked = "SELECT report_id, count(*) FROM {} GROUP BY report_id"
    with psycopg.connect(standby.url()) as connection:
        reports = dict(connection.execute(asked.format("report")).fetchall())
        frames = dict(connection.execute(asked.format("frame")).fetchall())
        events = dict(connection.execute(asked.format("event")).fetchall())
        machines = connection.execute("SELECT count(*) FROM machine").fetchone()[0]
    assert acknowledged <= set(reports)
    # The hello is a frame too; a report of a batch that was not acknowledged is whole or not there.
    assert {frames[report_id] for report_id in reports} == {FRAMES + 1}
    assert {events[report_id] for report_id in reports} == {FRAMES}
    assert set(reports.values()) == {1}
    assert machines == len(reports)


def test_what_was_acknowledged_survives_the_primary(pair, tmp_path):
    fail_over(pair, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("_round", range(8))
def test_it_survives_again_and_again(pair, tmp_path, _round):
    fail_over(pair, tmp_path)


def start_sending(collector: Collector, acknowledged: Path) -> "subprocess.Popen[bytes]":
    command = [
        *(sys.executable, "-m", "pe_collector", "loadgen", "--collector", collector.address, "--tls"),
        *("--data", str(collector.data), "--agents", "8", "--reports", str(SENT), "--log-bytes", "3000"),
        *("--acks", str(acknowledged)),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def count_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def serve_through_it(pair: tuple[Cluster, Cluster], folder: Path, running: list[Collector]) -> set[str]:
    """Ids that collectors acknowledged to their agents while the primary died and the standby took its place."""
    primary, standby = pair
    done = run_cli("init", data=folder / "1")
    assert done.returncode == 0, done.stderr
    for number in range(1, HUBS + 1):
        if number > 1:
            shutil.copytree(folder / "1", folder / str(number))
        running.append(start_collector(folder / str(number), tls=True))
    acks = [folder / f"acknowledged-{number}" for number in range(HUBS)]
    sending = [start_sending(collector, acks[n]) for n, collector in enumerate(running)]
    until_s = time.monotonic() + PATIENCE_S
    while min(map(count_lines, acks)) < SENT // 5 and time.monotonic() < until_s:
        time.sleep(0.05)
    primary.kill()
    assert max(map(count_lines, acks)) < SENT, "it died after the load"
    standby.must("pg_ctl", "-D", str(standby.data), "-w", "promote")
    assert [one.wait(2 * PATIENCE_S) for one in sending] == [0] * HUBS
    assert [count_lines(path) for path in acks] == [SENT] * HUBS
    return {line for path in acks for line in path.read_text().split()}


@pytest.mark.slow
def test_what_collectors_acknowledged_to_agents_survives_the_primary(pair, tmp_path, monkeypatch):
    import psycopg

    monkeypatch.setenv(VARIABLE, url_of(pair))
    running: list[Collector] = []
    try:
        acknowledged = serve_through_it(pair, tmp_path, running)
    finally:
        for collector in running:
            collector.process.kill()
            collector.process.wait(10)
            collector.process.stdout.close()
    with psycopg.connect(pair[1].url()) as connection:
        stored = connection.execute("SELECT report_id, complete, stored_through FROM report").fetchall()
        frames = dict(connection.execute("SELECT report_id, count(*) FROM frame GROUP BY 1").fetchall())
    assert len(acknowledged) == HUBS * SENT
    assert {report_id for report_id, _, _ in stored} == acknowledged
    assert len(stored) == len(acknowledged)
    assert {complete for _, complete, _ in stored} == {1}
    assert all(frames[report_id] == through + 1 for report_id, _, through in stored)
