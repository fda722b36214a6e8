"""Where logs are looked for below a drive, and how they are judged while they grow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pe_agent import log_places, signatures
from pe_agent.following import PAUSE_FACTOR, Follower
from pe_agent.log_places import parse

SIGNATURES = signatures.load()
SEED = b'Error "CreateClientSession: Failed to create client session. Error code [0x800706BA]."\n'
KNOWN = [
    "Windows/Panther/setupact.log",
    "$WINDOWS.~BT/Sources/Panther/setuperr.log",
    "Windows/System32/wpeinit.log",
    "Windows/inf/setupapi.dev.log",
    "MININT/SMSOSD/OSDLOGS/BDD.log",
    "Windows/Temp/SMSTSLog/smsts.log",
    "_SMSTaskSequence/Logs/Smstslog/smsts-20260302-081530.log",
    "Windows/CCM/Logs/Smstslog/smsts.log",
]


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SEED)


@pytest.mark.parametrize("change", [str, str.upper, str.lower])
def test_logs_are_found_wherever_they_were_left_in_any_case_of_letters(tmp_path: Path, change: object) -> None:
    names = [change(name) for name in KNOWN]
    put(tmp_path, *names)
    found = {path.relative_to(tmp_path).as_posix() for path in log_places.table().find(tmp_path)}
    assert found == set(names)


def test_other_files_in_those_folders_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "Windows/Panther/unattend.xml", "Windows/Panther/cbs.log", "MININT/SMSOSD/OSDLOGS/VARIABLES.DAT")
    assert list(log_places.table().find(tmp_path)) == []


def test_what_holds_passwords_is_never_collected_even_if_a_place_names_it(tmp_path: Path) -> None:
    put(tmp_path, "P/unattend.xml", "P/ok.xml")
    table = parse("never = ['*unattend*.xml']\n[[place]]\nfolder = 'P'\nnames = ['*.xml']\n[elsewhere]\nnames = []")
    assert [path.name for path in table.find(tmp_path)] == ["ok.xml"]


@pytest.mark.parametrize(
    "name", ["unattend.xml", "Autounattend.xml", "Bootstrap.ini", "CustomSettings.ini", "variables.dat", "Client.PFX"]
)
def test_the_table_names_what_is_never_collected(tmp_path: Path, name: str) -> None:
    everything = "[[place]]\nfolder = 'P'\nnames = ['*']\n[elsewhere]\nnames = ['*']"
    put(tmp_path, f"P/{name}")
    table = parse(f"never = {list(log_places.table().never)!r}\n{everything}")
    assert list(table.find(tmp_path)) == []
    assert not table.is_log(name)


def test_a_drive_that_is_not_there_has_no_logs(tmp_path: Path) -> None:
    assert list(log_places.table().find(tmp_path / "absent")) == []


def test_of_many_full_logs_the_newest_are_taken(tmp_path: Path) -> None:
    put(tmp_path, *(f"SMSTSLog/smsts-{n:03}.log" for n in range(40)))
    for n in range(40):
        os.utime(tmp_path / f"SMSTSLog/smsts-{n:03}.log", (n, n))
    found = [path.name for path in log_places.table().find(tmp_path)]
    assert found == [f"smsts-{n:03}.log" for n in range(40 - log_places.MOST_OF_A_PLACE, 40)]


def hits(follower: Follower, octets: bytes, *, final: bool = False) -> list[int]:
    follower.read([octets], SIGNATURES, final=final)
    return [hit.evidence.line for hit in follower.hits]


def test_a_half_written_line_is_judged_when_it_is_complete() -> None:
    follower = Follower("setupact.log")
    half = SEED[:-10]
    assert hits(follower, b"Info IBS x\n" + half) == []
    assert follower.half_written
    assert hits(follower, b"Info IBS x\n" + SEED)
    assert not follower.half_written


def test_a_half_written_line_is_judged_when_nothing_more_comes() -> None:
    follower = Follower("setupact.log")
    assert hits(follower, SEED[:-1]) == []
    assert hits(follower, SEED[:-1], final=True)


def test_a_line_is_counted_once_however_often_the_log_is_read() -> None:
    follower = Follower("setupact.log")
    once = hits(follower, SEED)
    assert once
    assert hits(follower, SEED) == once


def test_what_was_found_stays_when_the_log_cannot_be_read_any_more() -> None:
    def locked() -> Iterator[bytes]:
        raise PermissionError(13, "sharing violation")
        yield b""

    follower = Follower("setupact.log")
    found = hits(follower, SEED)
    with pytest.raises(PermissionError):
        follower.read(locked(), SIGNATURES, final=False)
    assert [hit.evidence.line for hit in follower.hits] == found


def test_a_log_that_takes_long_to_read_is_read_less_often() -> None:
    now = 100.0

    def slow() -> Iterator[bytes]:
        nonlocal now
        now += 2.0
        yield SEED

    follower = Follower("setupact.log", clock_s=lambda: now)
    follower.read(slow(), SIGNATURES, final=False)
    now += 2.0 * PAUSE_FACTOR - 0.1
    assert not follower.is_due()
    now += 0.2
    assert follower.is_due()
