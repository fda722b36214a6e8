"""A run reads logs of every kind, says each state of a log once, and judges a line when it is complete."""

from __future__ import annotations

import threading
from pathlib import Path

from pe_agent import signatures
from pe_agent.host import this_host
from pe_agent.model import Finding, Observation, Record
from pe_agent.session import Run, Session
from pe_agent.settings import Settings

from . import samples

SEED = b'Error "CreateClientSession: Failed to create client session. Error code [0x800706BA]."\n'


def session_on(root: Path, seen: list[Record]) -> Session:
    told = Settings(sysroot=str(root), spool=(str(root / "spool"),), only=("architecture",))
    return Session(Run(this_host(root), told, signatures.load(), "auto", seen.append, send=False))


def log_at(root: Path, name: str, octets: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True)
    path.write_bytes(octets)
    return path


def findings(seen: list[Record]) -> list[str]:
    return [record.id for record in seen if isinstance(record, Finding)]


def test_a_line_that_is_written_in_two_parts_is_judged_once_it_is_whole(tmp_path: Path) -> None:
    seen: list[Record] = []
    path = log_at(tmp_path, "Windows/Panther/setupact.log", SEED[:-20])
    session = session_on(tmp_path, seen)
    session.observe()
    assert findings(seen) == []
    with path.open("ab") as file:
        file.write(SEED[-20:])
    session.follow(1.5)
    assert findings(seen) == ["wds-client-session-failed"]
    session.conclude()
    session.deliver()
    assert findings(seen) == ["wds-client-session-failed"]


def test_a_last_line_without_an_end_is_judged_at_the_end_and_the_log_is_named_once(tmp_path: Path) -> None:
    seen: list[Record] = []
    log_at(tmp_path, "Windows/Panther/setupact.log", SEED[:-1])
    session = session_on(tmp_path, seen)
    session.observe()
    assert findings(seen) == []
    session.conclude()
    session.deliver()
    assert findings(seen) == ["wds-client-session-failed"]
    assert len([record for record in seen if isinstance(record, Observation) and record.probe == "logs"]) == 1


def test_a_log_that_comes_later_and_elsewhere_is_read_too(tmp_path: Path) -> None:
    seen: list[Record] = []
    session = session_on(tmp_path, seen)
    session.observe()
    writer = threading.Timer(0.5, log_at, (tmp_path, "windows/system32/WPEINIT.LOG", samples.WPEINIT))
    writer.start()
    session.follow(2.2)
    writer.join()
    assert findings(seen) == ["wpeinit-no-adapter"]
    session.conclude()
    session.deliver()
