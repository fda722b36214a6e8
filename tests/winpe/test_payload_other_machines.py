"""Payloads for x86 and arm64: every program in them is for that machine, and arm64 reports without gRPC.

The wheels are the real ones. No embeddable Python for these machines can be had here, so programs of a few octets
stand in for its own; the standard library in it is the real one. Nothing of these payloads runs but what is Python.
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from io import BytesIO

import pytest
from pe_image.payload import Ingredients, build
from pe_image.payload_python import Embeddable
from pe_image.payload_target import target_for
from pe_image.payload_tls import with_packed
from pe_image.payload_wheels import choose_wheels, read_wheel
from pe_image.pe_headers import parse

from .injecting import make_wim, needs_wimlib, pe_image
from .payload_parts import (
    WINDOWS_PYTHON,
    WINDOWS_WHEELS,
    needs_python_of_payload,
    needs_windows_python,
    picture_by_payload,
)
from .tiny_pe import tiny_pe

LIBRARY = "python311.zip"
PROGRAMS = ("python.exe", "python311.dll", "python3.dll", "_socket.pyd", "_ssl.pyd", "libssl-3.dll", "libcrypto-3.dll")
WHEEL_OF = {"x86": "grpcio-*-win32.whl", "arm64": "psutil-*-win_arm64.whl"}
RUN = "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); from pe_agent.__main__ import main; main()"

pytestmark = [
    needs_windows_python,
    *(
        pytest.mark.skipif(not list(WINDOWS_WHEELS.glob(name)), reason=f"no wheels for {machine}: .ci/windows-wheels")
        for machine, name in WHEEL_OF.items()
    ),
]


def embeddable(machine):
    files = {name: tiny_pe(machine) for name in PROGRAMS} | {LIBRARY: (WINDOWS_PYTHON / LIBRARY).read_bytes()}
    return Embeddable("0" * 64, files | {"LICENSE.txt": b"PSF"}, {}, machine, "3.11.9")


@pytest.fixture(scope="module", params=["x86", "arm64"])
def made(request, tmp_path_factory):
    """The machine, the payload's zip, its files by path."""
    return make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def arm64(tmp_path_factory):
    return make("arm64", tmp_path_factory.mktemp("payload"))


def make(machine, folder):
    target = target_for(machine)
    wheels = tuple(map(read_wheel, choose_wheels(WINDOWS_WHEELS, target, "3.11")))
    path = folder / "payload.zip"
    path.write_bytes(build(Ingredients(target, embeddable(machine), wheels, {})).octets)
    with zipfile.ZipFile(path) as archive:
        return machine, path, {name: archive.read(name) for name in archive.namelist()}


def test_every_program_in_it_is_for_that_machine(made):
    machine, _, files = made
    programs = {path: parse(octets).machine for path, octets in with_packed(files).items() if octets[:2] == b"MZ"}
    assert {path.rsplit("/", 1)[-1] for path in programs} >= {"python.exe", "_psutil_windows.pyd", "_ssl.pyd"}
    assert set(programs.values()) == {machine}


def test_the_manifest_names_machine_parts_and_every_file(made):
    machine, _, files = made
    manifest = json.loads(files["manifest.json"])
    held = {p: hashlib.sha256(o).hexdigest() for p, o in files.items() if p != "manifest.json"}
    assert manifest["architecture"] == machine
    assert {row["path"]: row["sha256"] for row in manifest["files"]} == held
    with_licence = {path.split("/")[1] for path in files if path.startswith("licences/")}
    assert {part["name"] for part in manifest["parts"]} == with_licence


def test_x86_streams_by_grpc_with_tls_packed_and_arm64_has_tls_lying_ready(made):
    machine, _, files = made
    has_grpc = any(path.startswith("lib/grpc/") for path in files)
    has_tls = {"_ssl.pyd", "libssl-3.dll", "libcrypto-3.dll"} <= set(files)
    has_packed = "tls.zip" in files
    assert (machine, has_grpc, has_tls, has_packed) in {("x86", True, False, True), ("arm64", False, True, False)}
    assert json.loads(files["manifest.json"])["transport"] == {"x86": "grpc", "arm64": "https"}[machine]


@pytest.mark.parametrize("machine", ["x86", "arm64"])
def test_with_programs_as_large_as_those_of_amd64_it_stays_lean(machine):
    """Those of x86 are smaller; those of arm64 lie ready, unpacked, but there is no gRPC beside them."""
    target = target_for(machine)
    python = Embeddable("0" * 64, {p.name: p.read_bytes() for p in WINDOWS_PYTHON.iterdir()}, {}, machine, "3.11.9")
    wheels = tuple(map(read_wheel, choose_wheels(WINDOWS_WHEELS, target, "3.11")))
    payload = build(Ingredients(target, python, wheels, {}))
    assert len(payload.octets) < 15_000_000
    assert payload.unpacked_bytes < 30_000_000


@needs_wimlib
def test_an_image_for_arm64_needs_an_address_for_uploads(arm64, tmp_path):
    wim = make_wim(tmp_path, {r"Windows\System32\startnet.cmd": b"wpeinit\r\n"}, architecture="12")
    words = ["--payload", arm64[1], "--token-file", tmp_path / "token", "--ca", tmp_path / "ca.pem"]
    (tmp_path / "token").write_text("one.token\n")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    refusal = pe_image("inject", wim, *words, "--collector", "10.0.0.5:7443", code=1)
    assert "name the collector's address for uploads with --upload" in refusal
    pe_image("inject", wim, *words, "--upload", "10.0.0.5:7444")
    subprocess.run(["wimlib-imagex", "extract", wim, "1", "/pe-agent/agent.toml", f"--dest-dir={tmp_path}"], check=True)
    told = (tmp_path / "agent.toml").read_text()
    assert 'upload = ["10.0.0.5:7444"]' in told
    assert "collector = []" in told


@pytest.fixture
def collector(tmp_path):
    """A collector that takes uploads over TLS on loopback: its data folder and address."""
    data = tmp_path / "collector"
    program = [sys.executable, "-m", "pe_collector"]
    subprocess.run([*program, "init", "--data", str(data)], check=True, capture_output=True)
    ingest, upload = free_address(), free_address()
    serve = [*program, "serve", "--data", str(data), "--ingest", ingest, "--upload", upload]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        assert "for uploads" in process.stdout.readline()
        yield data, upload
        process.send_signal(signal.SIGTERM)


def free_address():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


@needs_python_of_payload
def test_what_is_python_in_the_arm64_payload_uploads_a_report_that_is_stored(arm64, collector, tmp_path):
    data, address = collector
    folder = tmp_path / "pe-agent"
    with zipfile.ZipFile(BytesIO(arm64[1].read_bytes())) as archive:
        archive.extractall(folder)
    settings = f'upload = ["{address}"]\nca = "{data / "ca.pem"}"\ntoken_file = "{data / "first.token"}"\n'
    (folder / "agent.toml").write_text(settings)
    # Without site: no wheel but those of the payload can be found.
    path = f"{folder / 'app.zip'}:{folder / 'lib'}"
    command = [sys.executable, "-I", "-S", "-c", RUN, path, "report", "--format", "json", "--only", "architecture"]
    command += ["--config", str(folder / "agent.toml"), "--spool", str(tmp_path / "spool"), "--sysroot", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    told = json.loads(done.stdout or "{}")
    assert "stored as" in told.get("delivery", ""), done.stderr
    show = [sys.executable, "-m", "pe_collector", "show", told["code"], "--data", str(data)]
    assert told["code"] in subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert list((tmp_path / "spool").glob("*.pespool")) == []


@needs_python_of_payload
def test_the_payload_draws_the_code_of_a_report_that_is_not_delivered(made, tmp_path):
    assert len(picture_by_payload(made[1], tmp_path)) > 10
