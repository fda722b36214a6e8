"""Does every command that the documents show run? Each is run as it stands, with words put in for placeholders."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pe_agent import carried
from pe_agent.model import Boot, Clock, Identity, Opening, Report, Status, Verdict

from tests.winpe.injecting import needs_wimlib

from .desk import ROOT, Desk, boot_image, environment, laid_out
from .test_commands import PAGES, commands_in, programs

# What cannot be run here as it stands, and the test that runs the same with what it needs.
ELSEWHERE = {
    "pe-image payload": "tests/winpe/test_payload.py",
    "pe-image audit": "tests/winpe/test_audit.py",
    "pe-image diff": "tests/winpe/test_inject_safety.py",
    "pe-collector migrate": "tests/store/test_migrate.py",
    "pe-agent send --usb": "tests/delivery/test_send.py",
}
# Exit codes that say something about the machine or the image, not about the command.
ANSWERS = {
    "pe-agent report": {0, 10, 20, 30},
    "pe-agent probe": {0, 10, 20},
    "pe-agent explain": {0, 10, 20},
    "pe-agent status": {0, 1, 10, 20},
    "pe-collector doctor": {0, 10, 20},
}
# Named alone they would do what nobody wants twice, or need a folder that is not there.
_ONLY_NAMED = (["pe-collector", "init"], ["pe-collector", "logs"], ["pe-agent", "send"])
_REPORT_ID = bytes(range(16))
_CHOICE = re.compile(r"^\[?([\w-]+(?:\|[\w-]+)+)\]?$")


def _carried_text(desk: Desk) -> str:
    clock = Clock(5.0, 1_700_000_000_000)
    opening = Opening(_REPORT_ID, "0.1.0", "auto", Identity(serial="S1"), Boot(clock))
    return carried.encode_report(Report(opening, (Verdict(Status.HEALTHY, "All is well"),)))


def _token_id(desk: Desk) -> str:
    name = f"for-a-page-{time.time_ns()}"
    told = [sys.executable, "-m", "pe_collector", "tokens", "new", "--name", name]
    subprocess.run(told, env=environment(desk), check=True, capture_output=True)
    return desk.first(f"SELECT token_id FROM token WHERE name='{name}'")


def _fresh(name: str) -> Callable[[Desk], str]:
    return lambda desk: str(desk.folder / f"{name}-{time.time_ns()}")


def _pattern(place: int) -> Callable[[Desk], str]:
    return lambda desk: desk.first(f"SELECT pattern_id FROM pattern ORDER BY pattern_id LIMIT 1 OFFSET {place}")


# What stands for something in one command only.
OF_COMMAND: dict[tuple[str, str], str | Callable[[Desk], str]] = {
    ("restore", "/backup/today"): "backup",
    ("restore", "NEWDIR"): _fresh("restored"),
    ("serve", "/var/lib/pe-collector"): lambda desk: str(desk.data),
    # The load of an example is not what is tested.
    ("loadgen", "50"): "2",
    ("loadgen", "1000"): "6",
}
# What the dots in "pe-agent report ..." leave out, and what a command of an example needs beside its own.
MORE: dict[str, Callable[[Desk], list[str]]] = {
    "pe-agent report ...": lambda desk: ["--ca", "ca.pem", "--token-file", "first.token"],
    "pe-agent send [PATH": lambda desk: ["--collector", desk.ingest, "--ca", "ca.pem", "--token-file", "first.token"],
    "pe-collector loadgen": lambda desk: ["--collector", desk.ingest, "--tls", "--data", str(desk.data)],
}


def _history(desk: Desk) -> str:
    """An export, made once."""
    folder = desk.folder / "history"
    if not folder.exists():
        told = [sys.executable, "-m", "pe_collector", "export", "--parquet", str(folder)]
        subprocess.run(told, env=environment(desk), check=True, capture_output=True)
    return str(folder)


# What stands for something in any command -> what is put in.
WORDS: dict[str, str | Callable[[Desk], str]] = {
    **dict.fromkeys(["COLLECTOR:50051", "COLLECTOR:7443", "collector.example:7443"], lambda desk: desk.ingest),
    "postgresql://pe@db.example.net/pe": lambda desk: f"sqlite:///{desk.folder / 'elsewhere.sqlite'}",
    "hub.example:7443": "127.0.0.1:9",
    "hub-ca.pem": lambda desk: str(desk.data / "ca.pem"),
    "hub.token": lambda desk: str(desk.data / "first.token"),
    "COLLECTOR:443": lambda desk: desk.upload,
    **dict.fromkeys(["0.0.0.0:50051", "0.0.0.0:443"], "127.0.0.1:0"),
    **dict.fromkeys(["HOST", "WDS01"], "127.0.0.1"),
    "/var/lib/pe-collector": _fresh("new"),
    "DIR": lambda desk: str(desk.data),
    "/var/lib/pe-history": _history,
    "/backup": _fresh("dated"),
    "/backup/before": _fresh("before"),
    "/backup/today": _fresh("today"),
    **dict.fromkeys(["PATTERN", "3f0c2d9a71be"], _pattern(0)),
    "INTO": _pattern(1),
    "ID": _token_id,
    "SITE": "berlin",
    "WHY": "seen",
    "FILE": _fresh("acks"),
    "CODE": lambda desk: desk.first("SELECT code FROM reports LIMIT 1"),
    "TEXT": _carried_text,
    "PATH-OR-CODE": "0x800706BA",
    r"X:\Windows\Panther": "panther",
    "TABLE.csv": "table.csv",
    "COL": "state",
    "VALUE": "fine",
    "SERVER-LOG": "dhcpd.log",
    "LOG": "panther/setupact.log",
    "SELECT ...": "SELECT count(*) FROM boots",
    "PATH...": "spool",
}


def shown() -> list[str]:
    """Every command once; what a line goes on with on the next belongs to it."""
    found: dict[str, None] = {}
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        for number, text in commands_in(page):
            whole = text
            while whole.endswith("\\"):
                number += 1  # noqa: PLW2901 - the line after
                whole = whole[:-1] + lines[number - 1].strip()
            found[re.sub(r"\s+#.*$", "", whole)] = None
    return [text for text in found if not any(text.startswith(prefix) for prefix in ELSEWHERE)]


def variants(text: str) -> Iterator[list[str]]:
    """The words of a command, one list for each of the ways it can be read: `a|b` is `a` and is `b`."""
    words = shlex.split(text.replace("\\", "\\\\"))
    ways: list[list[str]] = []
    for word in words:
        choice = _CHOICE.match(word)
        plain = word.strip("[]") if word not in {"[", "]"} else ""
        ways.append(choice[1].split("|") if choice else [plain])
    for way in itertools.product(*ways):
        yield [word for word in way if word not in {"", "..."}]


def is_mention(words: list[str]) -> bool:
    """A command named in a sentence without the arguments it needs."""
    command, rest = programs()[words[0]], words[1:]
    while isinstance(command, click.Group) and rest:
        inner = command.get_command(click.Context(command), rest[0])
        if inner is None:
            break
        command, rest = inner, rest[1:]
    needed = [parameter for parameter in command.params if parameter.required]
    group = isinstance(command, click.Group) and not command.invoke_without_command
    return not rest and (group or bool(needed) or words[:2] in _ONLY_NAMED)


def put_in(words: list[str], desk: Desk) -> list[str]:
    """The words with something real for each placeholder."""
    filled = []
    for word in words:
        value = OF_COMMAND.get((words[1], word), WORDS.get(word, word))
        filled.append(value if isinstance(value, str) else value(desk))
    return filled


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with laid_out(tmp_path_factory.mktemp("desk")) as one:
        assert _run(["pe-collector", "backup", "backup"], one, one.folder).returncode == 0
        assert _run(["pe-agent", "report", "--no-send"], one, one.folder).returncode in ANSWERS["pe-agent report"]
        yield one


def _module(words: list[str]) -> list[str]:
    name = words[0].replace("-", "_")
    return [sys.executable, "-m", name, *words[1:]]


def _run(words: list[str], desk: Desk, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _module(words), cwd=folder, env=environment(desk), capture_output=True, text=True, timeout=120, check=False
    )


def _serves(words: list[str], desk: Desk) -> None:
    """It says where it listens, and ends when told."""
    more = [] if "--data" in words else ["--data", str(desk.data)]
    more += [] if "--ingest" in words else ["--ingest", "127.0.0.1:0"]
    told = [*_module(words), *more, "--no-ops"]
    with subprocess.Popen(told, stdout=subprocess.PIPE, text=True, env=environment(desk)) as process:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.parametrize("text", [text for text in shown() if not text.startswith("pe-image")])
def test_a_command_shown_in_a_page_runs(text: str, desk: Desk) -> None:
    for words in variants(text):
        if is_mention(words):
            assert CliRunner().invoke(programs()[words[0]], [*words[1:], "--help"]).exit_code == 0
            continue
        more = next((given(desk) for start, given in MORE.items() if text.startswith(start)), [])
        filled = put_in(words, desk) + more
        if words[:2] == ["pe-collector", "serve"]:
            _serves(filled, desk)
            continue
        done = _run(filled, desk, desk.folder)
        allowed = next((codes for start, codes in ANSWERS.items() if text.startswith(start)), {0})
        assert done.returncode in allowed, (filled, done.stdout[-500:], done.stderr[-2000:])


@needs_wimlib
def test_the_commands_for_a_boot_image_run_one_after_the_other(desk: Desk) -> None:
    folder = desk.folder / "image"
    boot_image(folder)
    os.link(folder / "payload-1.zip", folder / "payload-amd64.zip")
    for text in (text for text in shown() if text.startswith("pe-image")):
        for words in variants(text):
            done = _run(put_in(words, desk), desk, folder) if not is_mention(words) else None
            assert done is None or done.returncode == 0, (words, done.stdout, done.stderr)


def test_what_runs_elsewhere_does_run_there() -> None:
    for command, path in ELSEWHERE.items():
        said = (ROOT / path).read_text(encoding="utf-8")
        assert command.split()[1] in said


def test_a_placeholder_that_nothing_is_known_of_fails() -> None:
    assert put_in(["pe-collector", "show", "CODES"], Desk(Path(), "", ""))[-1] == "CODES"
