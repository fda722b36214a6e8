"""A real collector process on loopback, with TLS."""

import contextlib
import re
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

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def upload_address(self):
        return f"127.0.0.1:{self.upload_port}"

    @property
    def trust(self):
        return Trust((self.data / "ca.pem").read_bytes(), self.token)

    def reports(self, columns="report_id, stored_through, complete, outcome"):
        with contextlib.closing(sqlite3.connect(self.data / "collector.sqlite")) as connection:
            return connection.execute(f"SELECT {columns} FROM reports ORDER BY report_id").fetchall()

    @property
    def token(self):
        return (self.data / "first.token").read_text().strip()

    def start(self):
        command = [sys.executable, "-m", "pe_collector", "serve", "--data", str(self.data), "--ingest", self.address]
        command += ["--upload", self.upload_address] if self.upload_port else []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert re.match(r"pe-collector listening for reports on .*\(TLS\)", line), line
        if self.upload_port:
            assert "for uploads" in self.process.stdout.readline()
        return self

    def stop(self, number=signal.SIGTERM):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.wait(20)
        self.process.stdout.close()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def make_collector(folder):
    command = [sys.executable, "-m", "pe_collector", "init", "--data", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return Collector(folder, free_port())


@pytest.fixture
def stopped_collector(tmp_path):
    return make_collector(tmp_path / "collector")


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
