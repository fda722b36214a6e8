"""Several collectors before one database: a report that changes from one to the other arrives once, and both answer."""

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pe_collector import store
from pe_collector.store.where import VARIABLE

from tests.collector.conftest import Client, Collector, Frames, run_cli, start_collector
from tests.store.cluster import Cluster


@pytest.fixture
def hubs(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Collector]]:
    monkeypatch.setenv(VARIABLE, cluster.new_database())
    first = tmp_path / "1"
    done = run_cli("init", data=first)
    assert done.returncode == 0, done.stderr
    running: list[Collector] = []

    def start(number: int) -> Collector:
        data = tmp_path / str(number)
        if not data.exists():
            shutil.copytree(first, data)
        (data / "collector.toml").write_text("look_every_s = 1.0\n")
        running.append(start_collector(data, tls=True, told=("--ops", "127.0.0.1:0")))
        return running[-1]

    yield start
    for hub in running:
        if hub.process.poll() is None:
            hub.stop()
        hub.process.stdout.close()


def asked(hub: Collector, path: str) -> dict:
    # Loopback needs neither TLS nor a sign-in.
    with urllib.request.urlopen(f"http://{hub.ops}{path}", timeout=30) as answer:
        return json.load(answer)


def delivered(hub: Collector, frames: list, through: int) -> None:
    with hub.channel() as channel:
        sender = Client(channel).send(*frames).end()
        sender.stored_through(through)
        sender.refusal()


def test_a_report_goes_on_at_another_hub_and_every_hub_answers(hubs):
    frames = Frames()
    one, two = hubs(1), hubs(2)
    first, *rest = frames.whole()
    hello = frames.hello(one.token)
    delivered(one, [hello, first], 1)
    # Sent again from the beginning, as an agent does that knows nothing of what the other has.
    delivered(two, [hello, first, *rest], 5)
    rows = [asked(hub, "/api/machines.json")["rows"] for hub in (one, two)]
    assert rows[0] == rows[1]
    assert [(row["reports"], row["outcome"]) for row in rows[0]] == [(1, "fault")]
    assert len(asked(two, "/api/timeline.json?boot=" + rows[0][0]["code"])["rows"]) >= 4


def test_one_hub_dies_and_the_other_goes_on(hubs):
    frames = Frames()
    one, two = hubs(1), hubs(2)
    hello, (first, *rest) = frames.hello(one.token), frames.whole()
    delivered(one, [hello, first], 1)
    one.process.kill()
    one.process.wait(10)
    delivered(two, [hello, first, *rest], 5)
    assert [row["reports"] for row in asked(two, "/api/machines.json")["rows"]] == [1]


def test_one_look_serves_every_hub(hubs):
    frames = Frames()
    one, two = hubs(1), hubs(2)
    hello = frames.hello(one.token)
    delivered(one, [hello, *frames.whole()], 5)
    path = two.data / "collector.sqlite"
    until_s = time.monotonic() + 60
    while not (looked := _looks(path)) and time.monotonic() < until_s:
        time.sleep(0.2)
    assert [row["served"] for row in looked] == [1]
    assert not path.exists()


def _looks(path: Path) -> list[dict]:
    with closing(store.open_reader(path)) as connection:
        return [dict(row) for row in connection.execute("SELECT look, served FROM pattern_look")]
