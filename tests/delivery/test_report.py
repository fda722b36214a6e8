"""`pe-agent report` as a user runs it, with logs of every awkward kind, to a real collector over TLS."""

import json
import os
import subprocess
import sys

import pytest

SEED = (
    "2008-07-28 10:15:{n:02d}, {level:<10}            IBS    {text}\r\n",
    [
        ("Info", "InitializeLogging: RPC_S_SERVER_UNAVAILABLE - Retrying server request for initializing logging."),
        ("Error", "CreateClientSession: Failed to create client session. Error code [0x800706BA].[gle=0x000006ba]"),
    ],
)
STORY = "".join(SEED[0].format(n=n, level=level, text=text) for n, (level, text) in enumerate(SEED[1]))
LOGS = {
    "plain": STORY.encode(),
    "utf-8 with a byte order mark": b"\xef\xbb\xbf" + STORY.encode(),
    "utf-16": b"\xff\xfe" + STORY.encode("utf-16-le"),
    "cut in the middle of a line": STORY.encode() + b"2008-07-28 10:16:00, Err",
    "not text at all": bytes(range(256)) * 700,
    "empty": b"",
}


# What asks nobody on the network: these tests run on the host itself.
QUIET = {"PE_AGENT_ONLY": "address,architecture,target"}


def run(*arguments, **environment):
    command = [sys.executable, "-m", "pe_agent", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PE_AGENT_")}
    return subprocess.run(command, capture_output=True, env=clean | QUIET | environment, timeout=120, check=False)


def sysroot(tmp_path, octets):
    panther = tmp_path / "root" / "Windows" / "Panther"
    panther.mkdir(parents=True)
    (panther / "setupact.log").write_bytes(octets)
    return str(tmp_path / "root")


def deliver(collector, tmp_path, root, *more):
    trust = ("--ca", str(collector.data / "ca.pem"), "--token-file", str(collector.data / "first.token"))
    address = ("--collector", collector.address, "--spool", str(tmp_path / "spool"))
    return run("report", "--format", "json", "--sysroot", root, *address, *trust, *more)


def stored_log(collector, code):
    command = [sys.executable, "-m", "pe_collector", "show", code, "--data", str(collector.data)]
    command += ["--log", "/Windows/Panther/setupact.log"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("kind", LOGS)
def test_the_stored_log_is_the_file_octet_for_octet(collector, tmp_path, kind):
    done = deliver(collector, tmp_path, sysroot(tmp_path, LOGS[kind]))
    report = json.loads(done.stdout)
    assert stored_log(collector, report["code"]) == LOGS[kind]
    assert "stored as" in report["delivery"]
    assert list((tmp_path / "spool").glob("*.pespool")) == []


@pytest.mark.parametrize("kind", ["plain", "utf-8 with a byte order mark", "utf-16", "cut in the middle of a line"])
def test_the_failed_session_is_found_in_every_encoding(collector, tmp_path, kind):
    done = deliver(collector, tmp_path, sysroot(tmp_path, LOGS[kind]))
    report = json.loads(done.stdout)
    assert report["verdict"]["finding_id"] == "wds-client-session-failed"
    assert done.returncode == 20


def test_of_a_huge_log_the_report_says_how_much_was_left_out(collector, tmp_path):
    root = sysroot(tmp_path, b"")
    path = tmp_path / "root" / "Windows" / "Panther" / "setupact.log"
    block = STORY.encode() * 4000
    with path.open("wb") as file:
        for _ in range(300 * 1024 * 1024 // len(block)):
            file.write(block)
    done = deliver(collector, tmp_path, root, "--timeout", "60")
    report = json.loads(done.stdout)
    (about,) = [o for o in report["observations"] if o["probe"] == "logs"]
    facts = about["facts"]
    assert facts["file_bytes"] == path.stat().st_size
    assert facts["left_out_bytes"] == facts["file_bytes"] - facts["collected_bytes"]
    assert report["verdict"]["finding_id"] == "wds-client-session-failed"
    stored = stored_log(collector, report["code"])
    assert stored.startswith(block[:1000])
    assert len(stored) == facts["collected_bytes"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (("report", "--no-such-option"), 2, "No such option"),
        (("report", "--only", "nonsense"), 2, "no probe is called nonsense"),
        (("report", "--collector", "192.0.2.1:7443", "--plain"), 2, "only a collector on loopback"),
        (("report", "--collector", "127.0.0.1:1"), 2, "no CA certificate"),
        (("report", "--collector", "127.0.0.1:1", "--ca", "/nowhere.pem"), 2, "/nowhere.pem"),
        (("explain", "/nowhere/setupact.log"), 2, "/nowhere/setupact.log"),
        (("probe", "nonsense"), 2, "known are"),
    ],
)
def test_what_cannot_be_meant_is_said_with_exit_code_2(tmp_path, arguments, exit_code, message):
    done = run(*arguments)
    assert done.returncode == exit_code
    assert message in done.stderr.decode()


def test_a_collector_that_cannot_be_reached_leaves_the_report_here(tmp_path):
    told = ("--collector", "127.0.0.1:1", "--plain", "--timeout", "2", "--spool", str(tmp_path))
    done = run("report", "--format", "json", *told)
    assert done.returncode == 30
    (kept,) = tmp_path.glob("*.pespool")
    assert str(kept) in json.loads(done.stdout)["delivery"]


def test_a_kept_report_can_be_imported_whole(collector, tmp_path):
    root = sysroot(tmp_path, LOGS["plain"])
    told = ("--no-send", "--spool", str(tmp_path / "spool"))
    done = run("report", "--format", "json", "--sysroot", root, *told)
    report = json.loads(done.stdout)
    (kept,) = (tmp_path / "spool").glob("*.pespool")
    command = [sys.executable, "-m", "pe_collector", "import", str(kept), "--data", str(collector.data)]
    imported = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "complete" in imported.stdout
    assert stored_log(collector, report["code"]) == LOGS["plain"]


def test_what_can_neither_go_nor_stay_ends_with_40(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    places = {"XDG_STATE_HOME": str(blocked), "TMPDIR": str(blocked), "PE_AGENT_SPOOL": str(blocked)}
    done = run("report", "--collector", "127.0.0.1:1", "--plain", "--timeout", "1", **places)
    # tempfile falls back to other folders when TMPDIR is unusable, and any of them may take the report.
    assert done.returncode in (30, 40)
    assert (b"NOT kept either" in done.stdout) == (done.returncode == 40)


def test_the_hook_returns_at_once_with_0_and_reports_in_the_background(collector, tmp_path):
    root = sysroot(tmp_path, LOGS["plain"])
    trust = ("--ca", str(collector.data / "ca.pem"), "--token-file", str(collector.data / "first.token"))
    done = run(
        "auto", "--sysroot", root, "--collector", collector.address, *trust, "--watch", "1", "--spool", str(tmp_path)
    )
    assert done.returncode == 0
    assert done.stdout == b""
    wanted = "SELECT count(*) AS n FROM report WHERE \"trigger\" = 'auto' AND complete = 1"
    command = [sys.executable, "-m", "pe_collector", "sql", wanted, "--data", str(collector.data), "--format", "json"]
    for _ in range(100):
        answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        if answer[0]["n"] == 1:
            return
    pytest.fail("no report of the hook arrived")


def test_the_hook_ends_with_0_even_when_its_settings_are_damaged(tmp_path):
    config = tmp_path / "agent.toml"
    config.write_text("colector = 1\n")
    done = run("auto", "--config", str(config), "--foreground", "--watch", "0", "--wait-for-address", "0.1")
    assert done.returncode == 0
    assert b"going on without it" in done.stderr
