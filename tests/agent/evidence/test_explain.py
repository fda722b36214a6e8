from __future__ import annotations

import json
from pathlib import Path

import pytest
from pe_agent import render, signatures
from pe_agent.errors import UsageError
from pe_agent.explain import Explanation, explain_paths, read_file_records

from .cases import CORPUS

SEED = CORPUS / "seed-2008" / "setupact.log"


def explained(*paths: Path) -> Explanation:
    return explain_paths(paths, signatures.load())


def test_a_file_is_judged_with_the_lines_that_convict() -> None:
    document = json.loads(render.render_explanation(explained(SEED), "json"))
    (finding,) = document["findings"]
    assert set(finding) == {"id", "title", "owner", "advice", "confidence", "evidence"}
    assert finding["id"] == "wds-client-session-failed"
    assert {(e["file"], e["line"]) for e in finding["evidence"]} == {(str(SEED), n) for n in (1, 2, 3, 4)}
    assert all(set(e) == {"file", "line", "text"} for e in finding["evidence"])
    assert [r["id"] for r in document["ruled_out"]] == ["no-network-driver"]


def test_a_folder_is_searched_for_logs_by_name(tmp_path: Path) -> None:
    panther = tmp_path / "Windows" / "Panther"
    panther.mkdir(parents=True)
    (panther / "SetupAct.log").write_bytes(SEED.read_bytes())
    (panther / "other.log").write_bytes(SEED.read_bytes())
    assert explained(tmp_path).files == (str(panther / "SetupAct.log"),)


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"setupact\.log"):
        explained(tmp_path)


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.log"):
        explained(tmp_path / "absent.log")


@pytest.mark.parametrize(
    ("octets", "note"),
    [
        (b"", "empty file"),
        (b"cut off", "the file ends in the middle of a line"),
        (b"\xff\xfe" + "x\n".encode("utf-16-le"), "UTF-16LE"),
        (b"\xfe\xff" + "x\n".encode("utf-16-be"), "UTF-16BE"),
        (b"x\n" + bytes(512) + b"\n", "holds zero octets"),
    ],
)
def test_what_is_odd_about_a_file_is_noted(octets: bytes, note: str, tmp_path: Path) -> None:
    path = tmp_path / "setupact.log"
    path.write_bytes(octets)
    (found,) = explained(path).notes
    assert note in found


def test_an_ordinary_file_has_no_notes() -> None:
    assert explained(SEED).notes == ()


def test_records_are_lines_of_json_with_the_columns_they_have(tmp_path: Path) -> None:
    path = tmp_path / "setupact.log"
    path.write_bytes(b"no format\r\n2026-03-02 08:15:00, Error                 DISM   hr = 0x800706BA\r\n  more\r\n")
    lines = [json.loads(render.render_record(record)) for record in read_file_records(path)]
    assert lines == [
        {"line": 1, "text": "no format"},
        {
            "line": 2,
            "time": "2026-03-02 08:15:00",
            "level": "Error",
            "component": "DISM",
            "code": "0x800706ba",
            "text": "hr = 0x800706BA\n  more",
        },
    ]


def test_text_says_who_must_act_and_which_line_convicts() -> None:
    text = render.render_explanation(explained(SEED), "text")
    assert "who: whoever runs the network" in text
    assert f"{SEED}:2: CreateClientSession" in text


def test_text_says_so_when_nothing_is_known() -> None:
    text = render.render_explanation(explained(CORPUS / "nothing-known" / "setupact.log"), "text")
    assert text.startswith("No known cause")
