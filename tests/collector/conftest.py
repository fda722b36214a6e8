"""A real collector as a process of its own, and a client that speaks the protocol frame by frame."""

import os
import queue
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from pe_protos.v1 import report_pb2 as pb

FIRST_ID = bytes.fromhex("0190a0b0c0d07000800000000000ab01")


def run_cli(*arguments: str, data: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    told = [*arguments, *(["--data", str(data)] if data else [])]
    return subprocess.run([sys.executable, "-m", "pe_collector", *told], capture_output=True, timeout=60, check=False)


@dataclass
class Client:
    """One stream, driven by hand: `send` frames, `receipt` waits for the next answer."""

    channel: grpc.Channel
    _frames: "queue.SimpleQueue[bytes | None]" = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        deliver = self.channel.stream_stream("/pe.v1.Ingest/Deliver", response_deserializer=pb.Receipt.FromString)
        self.call = deliver(iter(self._frames.get, None), timeout=60)

    def send(self, *frames: pb.Frame | bytes) -> "Client":
        for frame in frames:
            self._frames.put(frame if isinstance(frame, bytes) else frame.SerializeToString())
        return self

    def end(self) -> "Client":
        self._frames.put(None)
        return self

    def receipt(self) -> pb.Receipt:
        return next(self.call)

    def stored_through(self, sequence: int) -> pb.Receipt:
        return next(receipt for receipt in self.call if receipt.stored_through >= sequence)

    def all_stored(self) -> None:
        """End the stream and wait until the collector has: all that was sent is stored then, the hello, too."""
        for _ in self.end().call:
            pass

    def refusal(self) -> tuple[grpc.StatusCode, str]:
        try:
            for _ in self.call:
                pass
        except grpc.RpcError:
            pass
        return self.call.code(), self.call.details()


@dataclass
class Collector:
    data: Path
    process: "subprocess.Popen[bytes]"
    address: str
    token: str
    tls: bool
    ops: str = ""
    upload: str = ""

    def channel(self, ca: bytes | None = None) -> grpc.Channel:
        if not self.tls:
            return grpc.insecure_channel(self.address)
        roots = ca or (self.data / "ca.pem").read_bytes()
        options = [("grpc.ssl_target_name_override", "pe-collector")]
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(roots), options=options)

    def client(self) -> Client:
        client = Client(self.channel())
        _OPEN.append(client)
        return client

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


_OPEN: list[Client] = []


def start_collector(data: Path, *, tls: bool, port: int = 0, told: tuple[str, ...] = ("--no-ops",)) -> Collector:
    told = ("serve", "--data", str(data), "--ingest", f"127.0.0.1:{port}", *([] if tls else ["--plain"]), *told)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pe_collector", *told], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    line = process.stdout.readline().decode()
    assert line.startswith("pe-collector listening for reports on 127.0.0.1:"), line
    token = (data / "first.token").read_text().strip()
    running = Collector(data, process, line.split(" on ")[1].split()[0], token, tls)
    for option, name in (("--upload", "upload"), ("--ops", "ops")):
        if option in told:
            line = process.stdout.readline().decode()
            assert line.startswith("pe-collector listening for "), line
            setattr(running, name, line.split(" on ")[1].split()[0])
    return running


@pytest.fixture(scope="session")
def fresh_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` makes, made once: each test gets a copy."""
    folder = tmp_path_factory.mktemp("init") / "data"
    done = run_cli("init", data=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def data(fresh_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fresh_data, tmp_path / "data"))


@pytest.fixture
def start(data: Path) -> Iterator[Callable[..., Collector]]:
    running: list[Collector] = []

    def begin(*, tls: bool = False, port: int = 0, told: tuple[str, ...] = ("--no-ops",)) -> Collector:
        running.append(start_collector(data, tls=tls, port=port, told=told))
        return running[-1]

    yield begin
    _close_clients()
    for collector in running:
        _end(collector)


def _close_clients() -> None:
    while _OPEN:
        client = _OPEN.pop()
        client.call.cancel()
        client.end()
        client.channel.close()


def _end(collector: Collector) -> None:
    if collector.process.poll() is None:
        collector.process.kill()
    collector.process.wait(10)
    collector.process.stdout.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One collector for all tests of a module, with uploads and an ops listener; reports come without TLS."""
    data = tmp_path_factory.mktemp("house") / "data"
    assert run_cli("init", data=data).returncode == 0
    collector = start_collector(data, tls=False, told=("--upload", "127.0.0.1:0", "--ops", "127.0.0.1:0"))
    yield collector
    _end(collector)


@pytest.fixture
def ops(house: Collector) -> Iterator[Collector]:
    """The module's collector, its streams ended after the test."""
    yield house
    _close_clients()


@pytest.fixture
def collector(start: Callable[..., Collector]) -> Collector:
    return start()


@pytest.fixture
def cli() -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    return run_cli


@pytest.fixture
def frames() -> "Frames":
    return Frames()


class Frames:
    """Frames of a plausible report."""

    report_id = FIRST_ID

    def hello(self, token: str, report_id: bytes = FIRST_ID, **fields: object) -> pb.Frame:
        hello = pb.Hello(
            protocol=1,
            agent_version="0.1.0",
            report_id=report_id,
            token=token,
            trigger="report",
            identity=pb.Identity(
                smbios_uuid="4c4c4544-0042-4710-8052-b4c04f305332", serial="B4C0S2", macs=["52:54:00:12:34:56"]
            ),
            boot=pb.Boot(image_build="2026-11-01", image_name="WinPE-x64"),
            clock=pb.Clock(uptime_s=42.5, wall_ms=1_000_000),
        )
        for name, value in fields.items():
            setattr(hello, name, value)
        return pb.Frame(sequence=0, hello=hello)

    def address(self, sequence: int = 1) -> pb.Frame:
        facts = {
            "address": pb.Value(text="10.10.1.23"),
            "prefix_length": pb.Value(integer=24),
            "link_up": pb.Value(flag=True),
            "rtt_s": pb.Value(real=0.25),
        }
        body = pb.Observation(probe="address", target="eth0", outcome="ok", reason="answered", facts=facts)
        return pb.Frame(sequence=sequence, observation=body)

    def filtered(self, sequence: int) -> pb.Frame:
        body = pb.Observation(probe="wds-rpc", target="10.10.9.20:5040", outcome="failed", reason="filtered")
        return pb.Frame(sequence=sequence, observation=body)

    def finding(self, sequence: int) -> pb.Frame:
        evidence = [pb.Evidence(probe="wds-rpc", target="10.10.9.20:5040", text="no answer")]
        body = pb.Finding(
            id="wds-rpc-filtered", title="TCP 5040 is filtered", owner="network", confidence=0.9, evidence=evidence
        )
        return pb.Frame(sequence=sequence, finding=body)

    def event(self, sequence: int, detail: str = "") -> pb.Frame:
        return pb.Frame(sequence=sequence, event=pb.Event(at_s=3.5, adapter="eth0", kind="link-up", detail=detail))

    def summary(self, sequence: int) -> pb.Frame:
        body = pb.Summary(
            status="fault",
            finding_id="wds-rpc-filtered",
            title="TCP 5040 is filtered",
            owner="network",
            advice="open TCP 5040",
            confidence=0.9,
        )
        return pb.Frame(sequence=sequence, summary=body)

    def whole(self) -> list[pb.Frame]:
        """All but the hello."""
        return [self.address(1), self.filtered(2), self.event(3), self.finding(4), self.summary(5)]
