"""One browser and one served, seeded collector for all tests of the page."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pe_collector import simulated

from tests.page.browsing import Visitor, browser, programs


@dataclass(frozen=True)
class Served:
    """A collector that serves a simulated fleet; `ingest` and `ops` are HOST:PORT."""

    data: Path
    ingest: str
    ops: str

    def cli(self, *arguments: str, code: int = 0) -> Any:
        command = [sys.executable, "-m", "pe_collector", *arguments, "--data", str(self.data), "--format", "json"]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def api(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.ops}{path}", timeout=60) as answer:
            return json.load(answer)


_COLLECTOR = [sys.executable, "-u", "-m", "pe_collector"]


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a collector that knows a simulated fleet; not served."""
    if None in programs():
        pytest.skip("chromium and chromedriver are not installed")
    data = tmp_path_factory.mktemp("seeded") / "data"
    subprocess.run([*_COLLECTOR, "init", "--data", str(data)], check=True, capture_output=True)
    simulated.fill(data, time.time())
    # Where nobody serves, the command notes what it finds: the page shows the last look.
    subprocess.run([*_COLLECTOR, "patterns", "--data", str(data)], check=True, capture_output=True)
    return data


@contextmanager
def serving(seeded: Path, data: Path) -> Iterator[Served]:
    """A collector of its own that serves a copy of the fleet in `data`."""
    shutil.copytree(seeded, data, dirs_exist_ok=True)
    told = ["serve", "--data", str(data), "--ingest", "127.0.0.1:0", "--plain", "--ops", "127.0.0.1:0"]
    with subprocess.Popen([*_COLLECTOR, *told], stdout=subprocess.PIPE, text=True) as process:
        where = [process.stdout.readline().split(" on ")[1].split()[0] for _ in range(2)]
        yield Served(data, *where)
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def served(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(seeded, tmp_path_factory.mktemp("page") / "data") as one:
        yield one


@pytest.fixture(scope="session")
def visiting(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield Visitor(driver, f"http://{served.ops}")


@pytest.fixture
def visitor(visiting: Visitor) -> Visitor:
    """The browser as new: wide, light, nothing said yet."""
    visiting.open("/q")
    visiting.run("localStorage.clear()")
    visiting.width(1280)
    visiting.theme("light")
    visiting.complaints()
    visiting.asked_hosts()
    return visiting


@pytest.fixture(scope="session")
def places(served: Served) -> dict[str, str]:
    """A path of every kind of page."""
    patterns = served.cli("patterns")["patterns"]
    fault, slow, silence = (
        next(row for row in patterns if kind in (row["kind"], *row["signature"]))
        for kind in ("fault", "slow-address", "silence")
    )
    report = next(row["report_id"] for row in fault["evidence"] if "failed" in row["text"])
    return {
        "board": "/",
        "patterns": "/patterns",
        "pattern": f"/pattern/{fault['id']}",
        "slow-pattern": f"/pattern/{slow['id']}",
        "silence-pattern": f"/pattern/{silence['id']}",
        "silent": f"/silent/{silence['machines'][0]}",
        "subnets": "/map?prefix=10.10.0.0/16",
        "machines-of-subnet": "/map?prefix=10.10.16.0/24",
        "switches": "/ports",
        "boot": f"/boot/{report}",
        "log": f"/boot/{report}/log?path=setupact.log&line=2#L2",
        "machines": "/q/machines?limit=40",
        "questions": "/q",
        "sql": "/sql?query=SELECT+outcome,+count(*)+AS+boots+FROM+boots+WHERE+site=:site+GROUP+BY+1&p_site=Berlin+Labs",
        "upload": "/upload",
    }
