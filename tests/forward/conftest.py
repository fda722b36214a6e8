"""A hub and a leaf, each a collector of its own; the leaf passes on what it is sent."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.collector.conftest import Client, Collector, run_cli, start_collector

PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def two_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` makes, twice, and the leaf's token; made once."""
    folder = tmp_path_factory.mktemp("two")
    for name in ("hub", "leaf"):
        done = run_cli("init", data=folder / name)
        assert done.returncode == 0, done.stderr
    done = run_cli("tokens", "new", "--name", "berlin", "--role", "leaf", data=folder / "hub")
    assert done.returncode == 0, done.stderr
    shutil.copy(folder / "hub" / "ca.pem", folder / "leaf" / "hub-ca.pem")
    (folder / "leaf" / "hub.token").write_bytes(done.stdout)
    return folder


@pytest.fixture
def folders(two_folders: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two_folders, tmp_path / "two"))


class House:
    """Starts and stops both; `rows` asks the one's database."""

    def __init__(self, folders: Path) -> None:
        self.folders = folders
        self.running: list[Collector] = []

    def start_hub(self, port: int = 0) -> Collector:
        return self._start("hub", port)

    def start_leaf(self, *hubs: str, **settings: str | int) -> Collector:
        told = {"forward_ca": "hub-ca.pem", "forward_token_file": "hub.token", **settings}
        lines = [f"forward_to = {list(hubs)!r}", *(f"{name} = {value!r}" for name, value in told.items())]
        (self.folders / "leaf" / "collector.toml").write_text("\n".join(lines) + "\n")
        return self._start("leaf", 0)

    def _start(self, name: str, port: int) -> Collector:
        self.running.append(start_collector(self.folders / name, tls=True, port=port))
        return self.running[-1]

    def rows(self, name: str, query: str) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(self.folders / name / "collector.sqlite")) as connection:
            return connection.execute(query).fetchall()

    def wait(self, name: str, query: str, wanted: list[tuple]) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while (found := self.rows(name, query)) != wanted:
            assert time.monotonic() < until_s, (found, wanted)
            time.sleep(0.05)

    def close(self) -> None:
        for one in self.running:
            if one.process.poll() is None:
                one.process.kill()
            one.process.wait(10)
            one.process.stdout.close()


@pytest.fixture
def house(folders: Path) -> Iterator[House]:
    made = House(folders)
    yield made
    made.close()


def an_id(number: int) -> bytes:
    return bytes(14) + number.to_bytes(2, "big")


@pytest.fixture
def deliver(frames) -> Callable[..., None]:
    """An agent's report to a collector, acknowledged there."""

    def send(to: Collector, number: int, records: list | None = None) -> None:
        told = frames.whole() if records is None else records
        with to.channel() as channel:
            sender = Client(channel).send(frames.hello(to.token, an_id(number)), *told).end()
            sender.stored_through(len(told))
            sender.refusal()

    return send


@pytest.fixture
def frames():
    from tests.collector.conftest import Frames

    return Frames()
