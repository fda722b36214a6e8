"""What is read of a file, a folder and an archive: by name, bounded, and nothing of an archive touches the disk."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Self

import pytest
from pe_agent import log_sources, signatures
from pe_agent.errors import UsageError
from pe_agent.explain import explain_paths, read_file_records, read_records

from . import samples

SEED = b'Error "CreateClientSession: Failed to create client session. Error code [0x800706BA].[gle=0x000006ba]"\n'
SESSION = "wds-client-session-failed"


def found_in(*paths: Path) -> list[str]:
    return sorted(finding.id for finding in explain_paths(paths, signatures.load()).findings)


def packed(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return path


def run_cli(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "pe_agent", *arguments], capture_output=True, timeout=60, check=False)


def test_the_judge_hears_of_every_format(tmp_path: Path) -> None:
    cmtrace = b"<![LOG[" + b"DHCP Lease was not obtained for any Networking device!" + samples.CMTRACE[34:]
    logs = {
        "wdsserver.log": samples.WDS_TRACE,
        "wpeinit.log": samples.WPEINIT,
        "BDD.log": cmtrace,
        "Setupact.LOG": SEED,
    }
    for name, octets in logs.items():
        (tmp_path / name).write_bytes(octets)
    findings = explain_paths([tmp_path], signatures.load()).findings
    heard = {evidence.file for finding in findings for evidence in finding.evidence}
    assert heard == {str(tmp_path / name) for name in logs}


def test_an_archive_is_judged_like_a_folder(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", ("Panther/setupact.log", SEED), ("readme.txt", SEED))
    explanation = explain_paths([archive], signatures.load())
    assert explanation.files == (f"{archive}!Panther/setupact.log",)
    assert [finding.id for finding in explanation.findings] == [SESSION]


@pytest.mark.parametrize(
    "name", ["../../setupact.log", "/etc/setupact.log", "C:\\Windows\\setupact.log", "a/\x1b[31m/setupact.log"]
)
def test_a_hostile_name_in_an_archive_is_read_and_never_written(tmp_path: Path, name: str) -> None:
    archive = packed(tmp_path / "a.zip", (name, SEED))
    before = sorted(tmp_path.rglob("*"))
    assert found_in(archive) == [SESSION]
    assert sorted(tmp_path.rglob("*")) == before
    assert b"\x1b" not in run_cli("explain", str(archive)).stdout


@pytest.mark.parametrize("wide", ["utf-16-le", "utf-16-be"])
def test_a_log_in_utf16_without_its_mark_is_judged_and_said_to_be_one(tmp_path: Path, wide: str) -> None:
    (tmp_path / "setupact.log").write_bytes(SEED.decode().encode(wide))
    explanation = explain_paths([tmp_path], signatures.load())
    assert [finding.id for finding in explanation.findings] == [SESSION]
    assert any(note.endswith(wide.upper().replace("-LE", "LE").replace("-BE", "BE")) for note in explanation.notes)


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_explain_shows_no_secret_of_a_line_and_records_are_raw(tmp_path: Path, form: str) -> None:
    log = tmp_path / "setupact.log"
    log.write_bytes(SEED.replace(b"client session.", b"client session, password=Canary7Bird, user=x."))
    shown = run_cli("explain", str(log), "--format", form).stdout
    assert b"[redacted:" in shown
    assert b"Canary7Bird" not in shown
    assert b"Canary7Bird" in run_cli("explain", str(log), "--records", "--format", "jsonl").stdout


def test_what_lies_beside_the_logs_is_said_to_be_unread(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", ("setupact.log", SEED)).read_bytes()
    beside = packed(tmp_path / "a.zip", ("setupact.log", SEED), ("more/inner.zip", inner), ("b.evtx", b"x"))
    assert f"{beside}: 2 files not read: more/inner.zip, b.evtx" in explain_paths([beside], signatures.load()).notes
    (tmp_path / "setuperr.log").write_bytes(SEED)
    assert any(
        note == f"{tmp_path}: 2 files not read: a.zip, inner.zip"
        for note in explain_paths([tmp_path], signatures.load()).notes
    )
    only = packed(tmp_path / "only.zip", ("inner.zip", inner))
    with pytest.raises(UsageError, match=r"unpack inner\.zip in it first"):
        explain_paths([only], signatures.load())


def test_files_with_passwords_are_not_read_whatever_holds_them(tmp_path: Path) -> None:
    never = ["unattend.xml", "wds-unattend.xml", "Bootstrap.ini", "CustomSettings.ini", "variables.dat", "smsts.pfx"]
    archive = packed(tmp_path / "a.zip", *((name, SEED) for name in never))
    with pytest.raises(UsageError, match="no log known by name"):
        found_in(archive)
    archive.unlink()
    for name in never:
        (tmp_path / name).write_bytes(SEED)
    with pytest.raises(UsageError, match="no log known by name"):
        found_in(tmp_path)


def test_a_bomb_is_unpacked_up_to_a_bound_and_the_answer_says_so() -> None:
    source = log_sources.Source("bomb", _Endless, packed=True)
    assert sum(map(len, source.blocks())) == log_sources.MOST_UNPACKED_OCTETS
    assert any("only the first" in note for note in source.notes())


class _Endless:
    """A member that never ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def read(self, size: int) -> bytes:
        return b"\n" * size


def test_a_damaged_member_gives_what_comes_long_before_the_damage_and_a_note(tmp_path: Path) -> None:
    log = SEED + b"\n" * 200_000 + b"x" * 100
    archive = packed(tmp_path / "a.zip", ("setupact.log", log), method=zipfile.ZIP_STORED)
    octets = bytearray(archive.read_bytes())
    octets[octets.index(b"xxxx")] ^= 1
    archive.write_bytes(octets)
    explanation = explain_paths([archive], signatures.load())
    assert [finding.id for finding in explanation.findings] == [SESSION]
    assert any(f"{archive}!setupact.log: damaged" in note for note in explanation.notes)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_methods_that_need_unbounded_memory_are_refused_with_a_note(tmp_path: Path, method: int) -> None:
    archive = packed(tmp_path / "a.zip", ("setupact.log", SEED), method=method)
    assert any("compression method" in note for note in explain_paths([archive], signatures.load()).notes)


def test_what_only_looks_like_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(UsageError, match="no zip archive"):
        found_in(path)


def test_records_of_many_logs_say_which_log_they_are_from(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", ("setupact.log", SEED), ("x/smsts.log", samples.CMTRACE))
    names = [name.rpartition("!")[2] for name, _ in read_records([archive])]
    assert names == ["setupact.log", "x/smsts.log", "x/smsts.log", "x/smsts.log"]
    done = run_cli("explain", str(archive), "--records", "--format", "jsonl")
    first = json.loads(done.stdout.splitlines()[0])
    assert (first["file"], first["line"]) == (f"{archive}!setupact.log", 1)


def test_records_of_one_file_hold_every_octet(tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(samples.SETUPAPI)
    assert b"".join(record.raw for record in read_file_records(path)) == samples.SETUPAPI
