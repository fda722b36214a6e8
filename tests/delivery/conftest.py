"""A real collector process on loopback, with TLS."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Collector:
    data: Path
    port: int
    process: subprocess.Popen | None = field(default=None)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def token(self):
        return (self.data / "first.token").read_text().strip()

    def start(self):
        command = [sys.executable, "-m", "pe_collector", "serve", "--data", str(self.data), "--ingest", self.address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert re.match(r"pe-collector listening for reports on .*\(TLS\)", line), line
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
