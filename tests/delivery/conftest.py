"""A real collector process on loopback, with TLS."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pe_agent.trust import Trust


@dataclass
class Collector:
    data: Path
    port: int
    process: subprocess.Popen | None = field(default=None)
    upload_port: int = 0
    plain: bool = False
    host: str = "127.0.0.1"
    wrapper: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def upload_address(self):
        return f"127.0.0.1:{self.upload_port}"

    @property
    def trust(self):
        ca = b"" if self.plain else (self.data / "ca.pem").read_bytes()
        return Trust(ca, self.token, plain=self.plain)

    def reports(self, columns="report_id, stored_through, complete, outcome"):
        with contextlib.closing(sqlite3.connect(self.data / "collector.sqlite")) as connection:
            return connection.execute(f"SELECT {columns} FROM reports ORDER BY report_id").fetchall()

    @property
    def token(self):
        return (self.data / "first.token").read_text().strip()

    def start(self):
        command = [*self.wrapper, sys.executable, "-m", "pe_collector", "serve", "--data", str(self.data), "--no-ops"]
        command += ["--ingest", self.address, *(["--plain"] if self.plain else [])]
        command += ["--upload", self.upload_address] if self.upload_port else []
        told = os.environ | self.environment
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told)
        line = self.process.stdout.readline()
        assert re.match(r"pe-collector listening for reports on .*TLS\)", line), line
        if self.upload_port:
            assert "for uploads" in self.process.stdout.readline()
        return self

    def stop(self, number=signal.SIGTERM):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(scope="session")
def fresh_data(tmp_path_factory):
    """What `init` makes, made once: each test gets a copy."""
    folder = tmp_path_factory.mktemp("init") / "data"
    command = [sys.executable, "-m", "pe_collector", "init", "--data", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def stopped_collector(fresh_data, tmp_path):
    return Collector(Path(shutil.copytree(fresh_data, tmp_path / "collector")), free_port())


@pytest.fixture
def collector(stopped_collector):
    running = stopped_collector.start()
    yield running
    running.stop()


@pytest.fixture
def uploads(stopped_collector):
    """A collector that also takes reports by HTTPS."""
    stopped_collector.upload_port = free_port()
    running = stopped_collector.start()
    yield running
    running.stop()
