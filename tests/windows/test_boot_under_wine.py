"""An injected boot image, started as Windows PE does: the agent works beside the deployment, never in its way."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from pe_agent import wire
from pe_agent.bundle import read_bundle
from pe_agent.model import Verdict
from pe_image.cli import main
from pe_image.kinds import load_kinds
from pe_image.payload import with_files
from pe_image.payload_code import compiled

from tests.windows import shared
from tests.windows.booting import Machine, agents
from tests.windows.images import KINDS, lay_out, leaves_a_mark, starts, way_into
from tests.windows.looking import CONSOLES, PRIORITIES
from tests.windows.shared import WINDOWS_PYTHON, WINDOWS_WHEELS, WINE, wine_prefix

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(WINE is None, reason="wine64 is not installed"),
    pytest.mark.skipif(shutil.which("wimlib-imagex") is None, reason="wimlib-imagex is not installed"),
    pytest.mark.skipif(
        not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
    ),
]
LINES = (
    "2008-07-28 10:15:00, Info                  IBS    Callback_ProductKey_Validate: start\r\n",
    "2008-07-28 10:15:01, Error                 IBS    CreateClientSession: Error code [0x800706BA]\r\n",
)
AS_LONG_AS_IT_WATCHES_S = 60


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(wine_prefix(tmp_path_factory))
    yield machine
    machine.off()


@pytest.fixture(scope="module")
def payload(tmp_path_factory):
    """CPython for Windows, the agent and click: as much as watching and judging needs."""
    import click

    path = tmp_path_factory.mktemp("payload") / "payload.zip"
    folders = [(WINDOWS_PYTHON, ""), (REPOSITORY / "agent" / "pe_agent", "pe_agent/")]
    folders.append((Path(click.__file__).parent, "click/"))
    files = {
        under + file.relative_to(folder).as_posix(): file.read_bytes()
        for folder, under in folders
        for file in folder.rglob("*")
        if file.is_file() and file.suffix not in {".pyc", "._pth"}
    }
    # Compiled once: each boot finds the image as it was made, and would compile all of it again.
    path.write_bytes(with_files({"manifest.json": b"{}"}, compiled(files)))
    return path


@pytest.fixture(scope="module")
def built_payload(tmp_path_factory):
    """What `pe-image payload` makes of the same CPython and the wheels that .ci/windows-wheels has fetched."""
    if not list(WINDOWS_WHEELS.glob("grpcio-*.whl")):
        pytest.skip("no wheels for Windows: .ci/windows-wheels")
    return shared.payload(tmp_path_factory)


@pytest.fixture(scope="module")
def injected(tmp_path_factory):
    """A boot image of a kind with the agent in it, made once."""

    @functools.cache
    def image(kind, payload):
        folder = tmp_path_factory.mktemp("image")
        lay_out(folder / "image", kind)
        wim = folder / "boot.wim"
        words = ["capture", str(folder / "image"), str(wim), "Test PE", "--compress=none"]
        _run("wimlib-imagex", *words, "--image-property", "WINDOWS/ARCH=9")
        (folder / "token").write_text("one.token\n")
        (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
        words = [*way_into(kind), "--token-file", folder / "token", "--ca", folder / "ca.pem", "--payload", payload]
        answer = CliRunner().invoke(main, [str(w) for w in ("inject", wim, *words, "--collector", "127.0.0.1:1")])
        assert answer.exit_code == 0, answer.output
        return wim

    return image


@pytest.fixture
def inserted(tmp_path, machine, payload, injected):
    """Insert an injected image of a kind as drive X:, as it was made."""

    def insert(kind, payload=payload):
        drive = tmp_path / "x"
        _run("wimlib-imagex", "apply", str(injected(kind, payload)), "1", str(drive))
        machine.insert(drive)
        return drive

    yield insert
    end_agents(machine)


def _run(*words):
    subprocess.run(words, check=True, capture_output=True)


def end_agents(machine):
    for pid in agents(machine):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for(condition, within_s=60.0):
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s} s")


def report_in(drive):
    kept = list((drive / "pe-agent" / "spool").glob("*.jsonl"))
    return [json.loads(line) for line in kept[0].read_text().splitlines()] if kept else None


def test_every_kind_that_is_not_refused_is_booted_here():
    assert {case.partition(" ")[0] for case in KINDS} == {kind.id for kind in load_kinds() if not kind.refused}


@pytest.mark.parametrize("kind", KINDS)
def test_the_agent_sees_the_deployment_fail_and_says_which_image_it_was(machine, inserted, kind):
    drive = inserted(kind)
    log = drive / "Windows" / "Panther" / "setupact.log"
    machine.boot(PE_AGENT_WATCH_S="4")
    for line in LINES:
        with log.open("ab") as file:
            file.write(line.encode())
        time.sleep(0.7)
    text = json.dumps(wait_for(lambda: report_in(drive)))
    stamp = json.loads((drive / "pe-agent" / "image.json").read_text())
    assert "wds-client-session-failed" in text
    assert stamp["image_build"] in text
    assert "Test PE" in text


def test_the_built_payload_works_when_the_image_boots(machine, inserted, built_payload):
    drive = inserted("setup", built_payload)
    machine.boot(PE_AGENT_WATCH_S="4")
    log = drive / "Windows" / "Panther" / "setupact.log"
    for line in LINES:
        with log.open("ab") as file:
            file.write(line.encode())
        time.sleep(0.7)
    wait_for(lambda: not agents(machine))
    (kept,) = (drive / "pe-agent" / "spool").glob("*.pespool")
    frames = [wire.parse_frame(record) for record in read_bundle(kept.read_bytes()) if isinstance(record, bytes)]
    opening = wire.decode_hello(frames[0].hello)
    verdict = next(r for r in map(wire.decode_record, frames[1:]) if isinstance(r, Verdict))
    stamp = json.loads((drive / "pe-agent" / "image.json").read_text())
    assert verdict.finding_id == "wds-client-session-failed"
    assert (opening.boot.image_build, opening.boot.image_name) == (stamp["image_build"], "Test PE")


@pytest.mark.parametrize("kind", KINDS)
def test_the_hook_returns_within_a_second_with_0_and_what_ran_before_runs(machine, inserted, kind):
    drive = inserted(kind)
    # What three programs take that do nothing is what this machine, which may be busy, adds by itself.
    bare_s = 3 * min(machine.bare_s() for _ in range(4))
    boots = []
    for _ in range(4):
        end_agents(machine)
        boots.append(machine.boot(PE_AGENT_WATCH_S="2"))
        if longest_s(boots[-1]) < 1.0 + bare_s:
            break
    started = boots[0]
    assert [s.code for s in started[:-1]] == [0] * (len(started) - 1)
    # The quickest: this machine does other things too. A hook that waited would wait in each.
    assert min(map(longest_s, boots)) < 1.0 + bare_s
    assert (drive / "ran.txt").exists() == leaves_a_mark(kind)
    assert started[-1].command.lower().startswith(starts(kind).lower())


def longest_s(started):
    return max(s.elapsed_s for s in started)


def test_an_agent_killed_at_any_moment_delays_nothing(machine, inserted):
    drive = inserted("plain")
    for after_s in (0.0, 0.1, 0.3, 0.6):
        (drive / "ran.txt").unlink(missing_ok=True)
        started = machine.boot(PE_AGENT_WATCH_S="60")
        time.sleep(after_s)
        end_agents(machine)
        assert max(s.elapsed_s for s in started) < AS_LONG_AS_IT_WATCHES_S / 2
        assert (drive / "ran.txt").exists()


def test_a_payload_without_pythonw_detaches_by_itself(machine, inserted):
    drive = inserted("plain")
    (drive / "pe-agent" / "pythonw.exe").unlink()
    (started,) = machine.boot(PE_AGENT_WATCH_S="60")
    assert started.elapsed_s < AS_LONG_AS_IT_WATCHES_S / 2
    assert wait_for(lambda: agents(machine))


def test_an_agent_that_cannot_start_delays_nothing(machine, inserted):
    drive = inserted("plain")
    (drive / "pe-agent" / "pe_agent" / "__main__.py").write_text("raise SystemExit(9)\n")
    (started,) = machine.boot()
    assert started.elapsed_s < AS_LONG_AS_IT_WATCHES_S / 2
    assert (drive / "ran.txt").exists()


def test_the_agent_ends_by_itself_and_writes_nowhere_but_beside_itself(machine, inserted):
    drive = inserted("setup")
    before = {p for p in drive.rglob("*") if "pe-agent" not in p.parts}
    machine.boot(PE_AGENT_WATCH_S="1")
    wait_for(lambda: report_in(drive))
    wait_for(lambda: not agents(machine))
    assert {p for p in drive.rglob("*") if "pe-agent" not in p.parts} == before


def test_the_agent_runs_below_normal_priority(machine, inserted):
    inserted("setup")
    machine.boot(PE_AGENT_WATCH_S="60")

    # The program that asks is a python.exe too, of normal priority (processthreadsapi.h: 0x20; below it: 0x4000).
    def priorities():
        return sorted(line.split()[0] for line in programs(machine))

    wait_for(lambda: priorities() == ["0x20", "0x4000"])


def programs(machine):
    """Priority, process id and name of each Python, the one that asks too."""
    return machine.say(r"X:\pe-agent\python.exe", "-c", PRIORITIES).splitlines()


def test_the_agent_has_no_console_that_could_stand_in_the_way(machine, inserted):
    """A window of its own cannot be looked for here: this Wine has no display, so no program has one."""
    inserted("setup")
    machine.boot(PE_AGENT_WATCH_S="60")
    (agent,) = wait_for(lambda: [line.split()[1] for line in programs(machine) if "pythonw" in line])
    # The console of the other one holds the pipe longer than the program that asks.
    with machine.begin(r"X:\pe-agent\python.exe", "-c", CONSOLES, agent) as asking:
        of_agent, of_other = asking.stdout.readline().split()
    assert (of_agent, of_other) == (b"False", b"True")


def test_pe_agent_can_be_typed_at_the_prompt_of_the_image(machine, inserted):
    inserted("setup")
    with machine.begin("cmd", stdin=subprocess.PIPE) as prompt:
        # Line by line, as one types: what waits behind a line is lost here.
        told = [answer_to(prompt, line) for line in (b"", b"X:", rb"cd \Windows\System32", b"pe-agent version")]
        prompt.communicate(b"exit\r\n", timeout=60)
    assert told[-1].startswith(b"pe-agent 0."), told


def answer_to(prompt, line):
    """What the command interpreter prints until it asks for the next line."""
    if line:
        prompt.stdin.write(line + b"\r\n")
        prompt.stdin.flush()
    told = b""
    while not re.search(rb"[A-Z]:[^\r\n]*>\Z", told):
        octets = os.read(prompt.stdout.fileno(), 4096)
        assert octets, told
        told += octets
    return told
