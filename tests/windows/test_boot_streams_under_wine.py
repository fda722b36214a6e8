"""A booted image and a collector: the report streams over TLS while Setup writes its log, whatever the image lacks."""

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.windows import shared
from tests.windows.booting import PROGRAMS, Machine, agents
from tests.windows.images import lay_out, way_into
from tests.windows.shared import WINDOWS_PYTHON, WINDOWS_WHEELS, WINE, wine_prefix

REPOSITORY = Path(__file__).resolve().parents[2]
MINGW = shutil.which("x86_64-w64-mingw32-gcc")
SHIM = Path(__file__).with_name("bcryptprimitives.c")

pytestmark = [
    pytest.mark.skipif(WINE is None, reason="wine64 is not installed"),
    pytest.mark.skipif(shutil.which("wimlib-imagex") is None, reason="wimlib-imagex is not installed"),
    pytest.mark.skipif(
        not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
    ),
    pytest.mark.skipif(
        not list(WINDOWS_WHEELS.glob("grpcio-*win_amd64.whl")), reason="no wheels for Windows: .ci/windows-wheels"
    ),
    pytest.mark.skipif(MINGW is None, reason="gcc-mingw-w64-x86-64 is not installed"),
]
LINES = (
    "2008-07-28 10:15:00, Info                  IBS    Callback_ProductKey_Validate: start\r\n",
    "2008-07-28 10:15:01, Error                 IBS    CreateClientSession: Error code [0x800706BA]\r\n",
)
LOG = "Windows/Panther/setupact.log"
# Were the shell to wait for the agent, it would wait as long as this.
WATCH_S = 120
# What the image of the last test lacks; WinRE and Windows PE are said to lack the first.
HOLES = {"pdh.dll", "dbghelp.dll", "powrprof.dll", "psapi.dll", "bcryptprimitives.dll"}


def pe_image(*words):
    command = [sys.executable, "-m", "pe_image", *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def payload(tmp_path_factory):
    return shared.payload(tmp_path_factory)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(wine_prefix(tmp_path_factory))
    shim = machine.prefix / "drive_c" / "windows" / "system32" / "bcryptprimitives.dll"
    command = [MINGW, "-shared", "-nostdlib", "-O2", "-Wl,-e,DllMain", "-o", str(shim), str(SHIM), "-ladvapi32"]
    subprocess.run(command, check=True)
    yield machine
    machine.off()


class Collector:
    """A collector process with TLS on loopback, for streams and uploads."""

    def __init__(self, data):
        self.data = data
        self._pe_collector("init")
        self.before = frozenset()
        self.ingest, self.upload = free_address(), free_address()
        words = ["serve", "--data", str(data), "--ingest", self.ingest, "--upload", self.upload]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pe_collector", *words], stdout=subprocess.PIPE, text=True
        )
        assert "(TLS)" in self.process.stdout.readline()
        assert "for uploads" in self.process.stdout.readline()

    def reports(self, columns="report_id, stored_through, complete"):
        """Rows of the reports that came since `forget`."""
        with contextlib.closing(sqlite3.connect(self.data / "collector.sqlite")) as connection:
            rows = connection.execute(f"SELECT report_id, {columns} FROM reports").fetchall()
        return [row[1:] for row in rows if row[0] not in self.before]

    def forget(self):
        """Let the next test see its own reports only."""
        self.before = frozenset()
        self.before = frozenset(row[0] for row in self.reports())

    def shown(self, code, *words):
        return self._pe_collector("show", code, *words)

    def _pe_collector(self, command, *words):
        program = [sys.executable, "-m", "pe_collector", command, *words, "--data", str(self.data)]
        return subprocess.run(program, capture_output=True, check=True).stdout.decode()

    def off(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.process.stdout.close()


def free_address():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture(scope="module")
def running_collector(tmp_path_factory):
    running = Collector(tmp_path_factory.mktemp("data") / "collector")
    yield running
    running.off()


@pytest.fixture
def collector(running_collector):
    running_collector.forget()
    return running_collector


@pytest.fixture(scope="module")
def injected(tmp_path_factory, payload, running_collector):
    """Images of a kind that were injected for this collector, made once."""

    @functools.cache
    def image(kind):
        folder = tmp_path_factory.mktemp("image")
        tree, path, data = folder / "tree", folder / "boot.wim", running_collector.data
        lay_out(tree, kind)
        # The last two are what the names of API sets stand for.
        for name in (needed_dlls(payload) | {"ucrtbase.dll", "kernelbase.dll"}) - HOLES:
            if (PROGRAMS / name).exists():
                shutil.copyfile(PROGRAMS / name, tree / "Windows" / "System32" / name)
        words = ["capture", tree, path, "Test PE", "--compress=none", "--image-property", "WINDOWS/ARCH=9"]
        subprocess.run(["wimlib-imagex", *map(str, words)], check=True, capture_output=True)
        orders = ["--payload", payload, "--token-file", data / "first.token", "--ca", data / "ca.pem"]
        orders += ["--collector", running_collector.ingest, "--upload", running_collector.upload]
        done = pe_image("inject", path, *orders, *way_into(kind))
        assert done.returncode == 0, done.stderr
        return path

    return image


@pytest.fixture
def kind():
    """What is booted where a test does not say it."""
    return "setup"


@pytest.fixture
def wim(injected, kind):
    return injected(kind)


@pytest.fixture
def booting(tmp_path, machine, wim):
    """The image as drive X:, as fresh as after a network boot."""
    drive = tmp_path / "x"
    subprocess.run(["wimlib-imagex", "apply", wim, "1", drive], check=True, capture_output=True)
    machine.insert(drive)
    yield drive
    end_agents(machine)


def needed_dlls(payload):
    from pe_image.audit import needs_of
    from pe_image.payload_tls import with_packed

    with zipfile.ZipFile(payload) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return {need.dll for need in needs_of(with_packed(files))}


def end_agents(machine):
    while found := agents(machine):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def wait_for(condition, within_s=120.0):
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s} s")


def write(drive, line):
    with (drive / LOG).open("ab") as file:
        file.write(line.encode())


def state_of(drive):
    """What `pe-agent status` would read there, an empty mapping before there is any."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads((drive / "pe-agent" / "spool" / "pe-agent.state.json").read_text())
    return {}


@pytest.mark.parametrize("kind", ["setup", "plain by unattend", "configmgr"])
def test_what_setup_writes_is_on_the_collector_while_it_still_writes(machine, booting, collector):
    machine.boot(PE_AGENT_WATCH_S="10", PE_AGENT_TIMEOUT_S="60")
    write(booting, LINES[0])
    wait_for(lambda: any(stored >= 2 for _, stored, _ in collector.reports()))
    ((_, _, whole),) = collector.reports()
    assert not whole
    write(booting, LINES[1])
    wait_for(lambda: not agents(machine))
    ((_, _, whole),) = collector.reports()
    told = state_of(booting)
    assert whole, told.get("text")
    code = told["report"]["code"]
    (log,) = {o["target"] for o in told["report"]["observations"] if o["target"].endswith("setupact.log")}
    shown = collector.shown(code)
    assert collector.shown(code, "--log", log) == "".join(LINES)
    assert "wds-client-session-failed" in shown
    stamp = json.loads((booting / "pe-agent" / "image.json").read_text())
    assert collector.reports("image_build, image_name") == [(stamp["image_build"], "Test PE")]
    assert list((booting / "pe-agent" / "spool").glob("*.pespool")) == []


# When it is killed: what must be true of (drive, collector) first.
MOMENTS = {
    "at once": lambda drive, collector: True,
    "the spool is open": lambda drive, collector: list((drive / "pe-agent").glob("spool/*.pespool")),
    "the verdict so far is written": lambda drive, collector: state_of(drive),
    "the stream is open": lambda drive, collector: collector.reports(),
    "the log is stored": lambda drive, collector: any(stored >= 2 for _, stored, _ in collector.reports()),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_agent_that_is_killed_delays_nothing_and_leaves_what_it_had_streamed(machine, booting, collector, moment):
    write(booting, LINES[0])
    started = machine.boot(PE_AGENT_WATCH_S=str(WATCH_S))
    assert [s.code for s in started] == [0] * len(started)
    assert max(s.elapsed_s for s in started) < WATCH_S / 2
    wait_for(lambda: MOMENTS[moment](booting, collector))
    before = collector.reports()
    end_agents(machine)
    again = machine.boot(PE_AGENT_WATCH_S=str(WATCH_S))
    assert [s.command for s in again] == [s.command for s in started]
    assert max(s.elapsed_s for s in again) < WATCH_S / 2
    kept = {report_id: stored for report_id, stored, _ in collector.reports()}
    assert all(kept[report_id] >= stored for report_id, stored, _ in before)


def test_with_the_dlls_disabled_that_the_image_lacks_the_report_goes_by_upload(
    machine, booting, collector, payload, wim
):
    told = json.loads(pe_image("audit", wim, "--payload", payload, "--format", "json").stdout)
    lacking = {p["name"].lower() for p in told["images"][0]["problems"] if p["lack"] == "missing" and p["needed"]}
    assert lacking == HOLES
    write(booting, "".join(LINES))
    overrides = ",".join(sorted(name.removesuffix(".dll") for name in lacking)) + "=d"
    machine.boot(PE_AGENT_WATCH_S="1", PE_AGENT_TIMEOUT_S="60", WINEDLLOVERRIDES=f"mscoree,mshtml=;{overrides}")
    state = wait_for(lambda: state_of(booting) if not agents(machine) else None)
    assert state["report"]["verdict"]["finding_id"] == "wds-client-session-failed"
    assert f"by {collector.upload}" in state["text"], state["text"]
    assert "wds-client-session-failed" in collector.shown(state["report"]["code"])
