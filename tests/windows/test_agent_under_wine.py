"""The agent as a real Windows program: CPython for Windows under Wine, told by what Wine can show."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL

import pytest
from pe_agent.host.netlink import links

from tests.windows.shared import REPOSITORY, WINDOWS_PYTHON, WINE, wine_environment, wine_prefix, wine_server

pytestmark = [
    pytest.mark.skipif(WINE is None, reason="wine64 is not installed"),
    pytest.mark.skipif(
        not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
    ),
]
STORY = "2008-07-28 10:15:01, Error                 IBS    CreateClientSession: Error code [0x800706BA]\r\n"


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """A Windows with the agent in C:\\pe-agent, and how to run it there; standard handles must be pipes."""
    prefix = wine_prefix(tmp_path_factory)
    # Nothing here may speak to the network of the machine that runs the tests.
    environment = wine_environment(prefix) | {"PE_AGENT_ONLY": "address,architecture"}
    # The first program starts Wine's services, which would hold our pipes open.
    subprocess.run(
        [WINE, "wineboot", "-i"],
        env=environment,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        check=True,
        timeout=120,
    )
    folder = prefix / "drive_c" / "pe-agent"
    shutil.copytree(WINDOWS_PYTHON, folder)
    shutil.copytree(REPOSITORY / "agent" / "pe_agent", folder / "pe_agent")
    import click

    shutil.copytree(Path(click.__file__).parent, folder / "click")
    start = "import sys; sys.path.insert(0, r'C:\\pe-agent'); from pe_agent.__main__ import main; main()"
    (folder / "start.py").write_text(start)

    def python(script, *arguments):
        command = [WINE, str(folder / "python.exe"), "-X", "utf8", script, *arguments]
        return subprocess.run(
            command, env=environment, stdin=DEVNULL, capture_output=True, cwd=folder, timeout=120, check=False
        )

    def run(*arguments):
        return python(r"C:\pe-agent\start.py", *arguments)

    run.folder, run.python = folder, python
    yield run
    subprocess.run([wine_server(), "-k"], env=environment, check=False)


def test_windows_habits_are_understood(drive):
    done = drive("report", "/?")
    assert done.returncode == 0
    assert b"Exit codes" in done.stdout


def test_adapters_are_listed_with_their_macs(drive):
    done = drive("probe", "address", "--format", "json")
    told = {o["facts"]["mac"] for o in json.loads(done.stdout)["observations"] if "mac" in o["facts"]}
    assert told == {link.mac for link in links()}


def test_the_image_and_the_process_have_an_architecture(drive):
    done = drive("probe", "architecture", "--format", "json")
    (answer,) = json.loads(done.stdout)["observations"]
    facts = answer["facts"]
    assert (facts["image"], facts["process"], facts["cpu"]) == ("x64", "x64", "x64")


def test_an_echo_that_must_not_be_fragmented_comes_back(drive):
    # Only the machine itself is asked. Wine 8 has no Icmp6SendEcho2.
    ask = "from pe_agent.transport.echo import echo; print(echo('127.0.0.1', bytes(1472), 30.0))"
    (drive.folder / "echo.py").write_text(f"import sys; sys.path.insert(0, r'C:\\pe-agent'); {ask}")
    done = drive.python(r"C:\pe-agent\echo.py")
    assert done.stdout.decode().strip() == "Echoed(status=0, sender='127.0.0.1')", done.stderr


def test_a_closed_port_is_told_as_refused(drive):
    done = drive("probe", "wds-rpc", "--server", "127.0.0.1", "--rpc-port", "1", "--format", "json")
    (answer,) = json.loads(done.stdout)["observations"]
    assert (answer["target"], answer["reason"]) == ("127.0.0.1:1", "refused")


def test_a_report_without_protobuf_is_kept_as_json_that_the_collector_reads(drive):
    panther = drive.folder / "root" / "Windows" / "Panther"
    panther.mkdir(parents=True)
    (panther / "setupact.log").write_bytes(STORY.encode())
    done = drive("report", "/format:json", "/sysroot:C:\\pe-agent\\root", "/no-send")
    report = json.loads(done.stdout)
    assert report["boot"]["os_version"].startswith("Windows")
    assert report["verdict"]["finding_id"] == "wds-client-session-failed"
    (kept,) = (drive.folder / "spool").glob("*.jsonl")
    data = drive.folder / "collector"
    for words in (["init"], ["import", str(kept)]):
        command = [sys.executable, "-m", "pe_collector", *words, "--data", str(data)]
        assert "not imported" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    command = [sys.executable, "-m", "pe_collector", "show", report["code"], "--data", str(data), "--log"]
    stored = subprocess.run([*command, report["observations"][-1]["target"]], capture_output=True, check=True).stdout
    assert stored == STORY.encode()


def test_the_hook_returns_at_once_with_0(drive):
    done = drive("auto", "/no-send", "/watch:0", "/wait-for-address:0.1")
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_log_that_another_program_holds_is_named_and_read_once_it_is_let_go(drive):
    done = drive.python(f"Z:{Path(__file__).parent / 'held_log.py'}", r"C:\held")
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["holder"] == "held"
    # ERROR_SHARING_VIOLATION; said once, however often it is tried again.
    assert [(r["reason"], r["winerror"]) for r in told["held"]] == [("access-denied", 32)]
    assert told["held"][0]["error"]
    assert told["findings_while_held"] == []
    assert told["findings_when_released"] == ["wds-client-session-failed"]
    assert told["findings_of_half_a_line"] == ["wds-client-session-failed"]
    assert sorted(told["findings_of_the_whole_line"]) == ["smb-path-not-found", "wds-client-session-failed"]
