"""The payload that pe-image builds, run as real Windows programs under Wine against a collector on loopback."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL

import pytest

from benchmarks.start import FIRST_PROBE_S, WATCHED, processor_s
from tests.agent.first_probe import LATER_ON_WINDOWS, asking
from tests.windows import shared
from tests.windows.shared import WINDOWS_PYTHON, WINDOWS_WHEELS, WINE, wine_environment, wine_prefix, wine_server

REPOSITORY = Path(__file__).resolve().parents[2]
MINGW = shutil.which("x86_64-w64-mingw32-gcc")
# Where the agent unpacks Python's TLS, and what that is.
UNPACKED = "spool/tls"
TLS_PARTS = {"_ssl.pyd", "libcrypto-3.dll", "libssl-3.dll"}
CLOSED = "127.0.0.1:1"
SHIM = Path(__file__).with_name("bcryptprimitives.c")
STORY = "2008-07-28 10:15:01, Error                 IBS    CreateClientSession: Error code [0x800706BA]\r\n"

pytestmark = [
    pytest.mark.skipif(WINE is None, reason="wine64 is not installed"),
    pytest.mark.skipif(
        not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
    ),
    pytest.mark.skipif(
        not list(WINDOWS_WHEELS.glob("grpcio-*.whl")), reason="no wheels for Windows: .ci/windows-wheels"
    ),
    pytest.mark.skipif(MINGW is None, reason="gcc-mingw-w64-x86-64 is not installed"),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A Wine with the payload in C:\\pe-agent; calling it runs the agent there."""
    prefix = wine_prefix(tmp_path_factory)
    # Nothing here may speak to the network of the machine that runs the tests.
    environment = wine_environment(prefix) | {"PE_AGENT_ONLY": "architecture"}
    # The first program starts Wine's services, which would hold our pipes open.
    quiet = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
    subprocess.run([WINE, "wineboot", "-i"], env=environment, check=True, timeout=120, **quiet)
    system = prefix / "drive_c" / "windows" / "system32"
    shim = [MINGW, "-shared", "-nostdlib", "-O2", "-Wl,-e,DllMain", "-o", str(system / "bcryptprimitives.dll")]
    subprocess.run([*shim, str(SHIM), "-ladvapi32"], check=True)
    folder = prefix / "drive_c" / "pe-agent"
    with zipfile.ZipFile(shared.payload(tmp_path_factory, "--stub-pdh")) as archive:
        archive.extractall(folder)
    panther = folder / "root" / "Windows" / "Panther"
    panther.mkdir(parents=True)
    (panther / "setupact.log").write_bytes(STORY.encode())

    def run(*command, overrides="", **more):
        changed = environment | {"WINEDLLOVERRIDES": f"mscoree,mshtml=;{overrides}"} | more
        return subprocess.run(
            [WINE, *command], env=changed, stdin=DEVNULL, capture_output=True, cwd=folder, timeout=120, check=False
        )

    run.folder, run.environment = folder, environment
    yield run
    subprocess.run([wine_server(), "-k"], env=environment, check=False)


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """A collector process with TLS on loopback: its data folder, its address for streams and that for uploads."""
    data = tmp_path_factory.mktemp("data") / "collector"
    program = [sys.executable, "-m", "pe_collector"]
    subprocess.run([*program, "init", "--data", str(data)], check=True, capture_output=True)
    address, upload = free_address(), free_address()
    serve = [*program, "serve", "--data", str(data), "--ingest", address, "--upload", upload]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as process:
        assert "(TLS)" in process.stdout.readline()
        assert "for uploads" in process.stdout.readline()
        yield data, address, upload
        process.terminate()


def free_address():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def trust(machine, data, ca=None):
    """Lay token and CA certificate beside the agent, and nothing unpacked; returns the options that name them."""
    shutil.rmtree(machine.folder / "spool", ignore_errors=True)
    shutil.copyfile(ca or data / "ca.pem", machine.folder / "ca.pem")
    shutil.copyfile(data / "first.token", machine.folder / "token")
    return r"/ca:C:\pe-agent\ca.pem", r"/token-file:C:\pe-agent\token"


def another_ca(folder):
    init = [sys.executable, "-m", "pe_collector", "init", "--data", str(folder)]
    subprocess.run(init, check=True, capture_output=True)
    return folder / "ca.pem"


def stored_log(data, told):
    """What the collector has of the log that a report read."""
    command = [sys.executable, "-m", "pe_collector", "show", told["code"], "--data", str(data)]
    command += ["--log", told["observations"][-1]["target"]]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


def kept(machine):
    """The reports that wait in the agent's folder."""
    return [path for path in (machine.folder / "spool").iterdir() if path.suffix in (".pespool", ".jsonl")]


def report(machine, *flags, **more):
    words = (r".\python.exe", "-m", "pe_agent", "report", "/format:json", r"/sysroot:C:\pe-agent\root", *flags)
    done = machine(*words, **more)
    with contextlib.suppress(ValueError):
        return done, json.loads(done.stdout)
    pytest.fail(f"exit {done.returncode}: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}")


def test_a_report_is_streamed_over_tls_and_stored(machine, collector):
    data, address, upload = collector
    ways = (f"/collector:{address}", f"/upload:{upload}", "/timeout:30")
    done, told = report(machine, *trust(machine, data), *ways)
    assert done.returncode == 20, done.stderr
    assert told["verdict"]["finding_id"] == "wds-client-session-failed"
    assert stored_log(data, told) == STORY
    # Python's own TLS was not needed.
    assert not (machine.folder / UNPACKED).exists()


def test_a_collector_with_another_ca_gets_nothing(machine, collector, tmp_path):
    data, address, _ = collector
    done, _ = report(
        machine, *trust(machine, data, another_ca(tmp_path / "other")), f"/collector:{address}", "/timeout:6"
    )
    assert done.returncode == 30


# What keeps gRPC from working: DLLs that the image lacks, or a port that is closed.
NO_GRPC = {"does not load": "dbghelp=d", "is blocked": "", "no wheel with machine code loads": "dbghelp,pdh,python3=d"}


@pytest.mark.parametrize("grpc", NO_GRPC)
def test_where_grpc_does_not_work_the_report_goes_by_https(machine, collector, grpc):
    data, _, upload = collector
    ways = (f"/collector:{CLOSED}", f"/upload:{upload}", "/timeout:30")
    done, told = report(machine, *trust(machine, data), *ways, overrides=NO_GRPC[grpc])
    assert f"by {upload}, safe to reboot" in told["delivery"], done.stderr
    assert (done.returncode, stored_log(data, told)) == (20, STORY)
    assert {path.name for path in (machine.folder / UNPACKED).iterdir()} == TLS_PARTS
    assert kept(machine) == []


def test_two_runs_at_once_do_not_disturb_each_other_while_they_unpack(machine, collector):
    data, _, upload = collector
    flags = (*trust(machine, data), f"/upload:{upload}", "/timeout:60")
    with ThreadPoolExecutor(2) as both:
        runs = list(both.map(lambda _: report(machine, *flags, overrides="dbghelp=d"), range(2)))
    assert [done.returncode for done, _ in runs] == [20, 20]
    assert {path.name for path in (machine.folder / UNPACKED).iterdir()} == TLS_PARTS


def test_by_https_too_a_collector_with_another_ca_gets_nothing(machine, collector, tmp_path):
    data, _, upload = collector
    flags = trust(machine, data, another_ca(tmp_path / "other"))
    done, told = report(machine, *flags, f"/upload:{upload}", "/timeout:3")
    assert done.returncode == 30
    assert "certificate is refused" in told["delivery"]
    assert len(kept(machine)) == 1


def test_what_tls_lacks_in_the_image_is_told_and_the_report_is_kept(machine, collector):
    data, _, upload = collector
    flags = (*trust(machine, data), f"/upload:{upload}", "/timeout:5")
    done, told = report(machine, *flags, overrides="dbghelp,crypt32=d")
    assert done.returncode == 30
    assert r"ssl does not load from C:\pe-agent\spool\tls" in told["delivery"]
    assert len(kept(machine)) == 1


def test_a_damaged_archive_of_tls_is_told_and_costs_no_report(machine, collector):
    data, _, upload = collector
    flags = (*trust(machine, data), f"/upload:{upload}", "/timeout:5")
    archive = machine.folder / "tls.zip"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:500_000] + bytes(1000) + whole[501_000:])
    done, told = report(machine, *flags, overrides="dbghelp=d")
    assert done.returncode == 30
    assert r"tls.zip is damaged" in told["delivery"]
    assert len(kept(machine)) == 1
    archive.write_bytes(whole)
    sent = machine(r".\python.exe", "-m", "pe_agent", "send", *flags, overrides="dbghelp=d")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert (stored_log(data, told), kept(machine)) == (STORY, [])


@pytest.mark.parametrize("missing", ["pdh=d", "dbghelp=d", "bcryptprimitives=d", "pdh,dbghelp,powrprof,psapi=d"])
def test_without_dlls_there_is_still_a_verdict(machine, missing):
    done, told = report(machine, "/no-send", overrides=missing)
    assert (done.returncode, told["verdict"]["finding_id"]) == (20, "wds-client-session-failed")


def test_without_the_dll_of_grpc_the_report_is_kept(machine):
    flags = ("/collector:127.0.0.1:1", r"/ca:C:\pe-agent\python311._pth", "/timeout:3")
    done, told = report(machine, *flags, overrides="dbghelp=d")
    assert (done.returncode, told["verdict"]["finding_id"]) == (30, "wds-client-session-failed")


@pytest.mark.parametrize(("missing", "answer"), [("pdh=d", b"True"), ("pdh,powrprof=d", b"DLL load failed")])
def test_the_stub_stands_in_for_pdh_and_for_nothing_else(machine, missing, answer):
    """The stub lies beside psutil's module; `n` alone would let Wine take it from there, `d` does not."""
    overrides = missing.replace("pdh=d", "pdh=n").replace("pdh,powrprof=d", "pdh=n;powrprof=d")
    code = "import psutil; print(psutil.virtual_memory().total > 0)"
    done = machine(r".\python.exe", "-c", code, overrides=overrides)
    assert answer in done.stdout + done.stderr


def test_grpc_is_not_loaded_when_nothing_is_sent(machine):
    code = "import sys; sys.argv[1:] = ['report', '/no-send', '/quiet']; import runpy\n"
    code += "try: runpy.run_module('pe_agent', run_name='__main__')\nexcept SystemExit: print('grpc' in sys.modules)"
    done = machine(r".\python.exe", "-c", code)
    assert done.stdout.split()[-1] == b"False", done.stderr


def test_the_first_question_costs_little_of_the_processor(machine):
    """Seconds of the processor: those of the clock say how busy this machine is. A third of this was measured."""
    words = ["auto", "--foreground", "--no-send"]
    told = machine.environment | {"PE_AGENT_WATCH_S": "0", "PE_AGENT_WAIT_FOR_ADDRESS_S": "0.1"}
    with subprocess.Popen(
        [WINE, r".\python.exe", "-c", WATCHED, *words],
        env=told,
        cwd=machine.folder,
        stdin=DEVNULL,
        stdout=subprocess.PIPE,
        stderr=DEVNULL,
    ) as process:
        assert process.stdout.readline().strip() == b"asked"
        spent_s = processor_s(process.pid)
        process.communicate()
    assert spent_s < FIRST_PROBE_S


def test_the_first_question_waits_for_no_module_that_it_does_not_need(machine):
    told = {"PE_AGENT_WATCH_S": "0", "PE_AGENT_WAIT_FOR_ADDRESS_S": "0.1"}
    done = machine(r".\python.exe", "-c", asking(LATER_ON_WINDOWS), **told)
    assert done.stdout.split(b"\r\n")[0] == b"0 []", done.stdout + done.stderr


def test_the_launcher_passes_options_and_exit_code(machine):
    done = machine("cmd", "/c", r"C:\pe-agent\pe-agent.cmd", "probe", "no-such-probe")
    assert done.returncode == 2
    assert b"no probe is called no-such-probe" in done.stderr


def test_the_environment_cannot_lead_python_astray(machine):
    code = "import sys; print([p for p in sys.path if 'elsewhere' in p])"
    done = machine(r".\python.exe", "-c", code, PYTHONPATH=r"C:\elsewhere", PYTHONHOME=r"C:\elsewhere")
    assert done.stdout.split() == [b"[]"]
