"""Collectors to ask: an empty one, and one with a simulated fleet, served over loopback."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pe_collector import questions, simulated, store
from pe_collector.questions.contract import Answer


@dataclass(frozen=True)
class Fleet:
    """A filled collector; `now_s` is when it was filled, Unix seconds."""

    data: Path
    now_s: float

    def ask(self, name: str, *, now_s: float | None = None, **words: Any) -> Answer:
        with questions.connected(self.data) as connection:
            asked = {word: str(value) for word, value in words.items()}
            return questions.ask(connection, questions.question_named(name), asked, now_s or self.now_s)

    def rows(self, name: str, **words: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self.ask(name, **words).rows]


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    data = tmp_path_factory.mktemp("seeded") / "data"
    subprocess.run([sys.executable, "-m", "pe_collector", "init", "--data", str(data)], check=True, capture_output=True)
    now_s = time.time()
    simulated.fill(data, now_s)
    return Fleet(data, now_s)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    data = tmp_path_factory.mktemp("empty")
    store.create(data)
    return Fleet(data, time.time())


@pytest.fixture(scope="session")
def get(seeded: Fleet) -> Iterator[Callable[[str], tuple[int, str, str]]]:
    """GET from the seeded collector's ops listener: status, media type, text."""
    told = ["serve", "--data", str(seeded.data), "--ingest", "127.0.0.1:0", "--plain", "--ops", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pe_collector", *told], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    said = next(line for line in process.stdout if " for questions on " in line)
    base = f"http://{said.split(' on ')[1].split()[0]}"

    def fetch(path: str) -> tuple[int, str, str]:
        try:
            with urllib.request.urlopen(base + path, timeout=120) as answer:
                return answer.status, answer.headers["content-type"], answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.headers["content-type"], exc.read().decode()

    yield fetch
    process.terminate()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(scope="session")
def words(seeded: Fleet) -> dict[str, dict[str, str]]:
    """What questions cannot be asked without."""
    failing = seeded.rows("machines", outcome="fault", subnet="10.10.16.0/20")[0]
    return {
        "machine": {"machine": failing["serial"]},
        "timeline": {"boot": failing["serial"]},
        "logs": {"words": "session"},
        "why": {"pattern": next(row["id"] for row in seeded.rows("patterns") if row["onset"])},
    }
