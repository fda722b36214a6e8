"""Each row about logs has its own positive cases and its own near misses; each case is a whole log."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pe_agent import signatures
from pe_agent.scan import scan_log
from pe_agent.signatures import Signature, SignatureSet

CASES: list[dict[str, Any]] = [
    row
    for path in sorted((Path(__file__).parent / "rows").glob("*.toml"))
    for row in tomllib.loads(path.read_text())["row"]
]


@pytest.fixture(scope="module")
def rows() -> SignatureSet:
    return signatures.load()


def met_by(log: str, rows: SignatureSet) -> set[str]:
    hits = scan_log("a.log", [log.replace("\n", "\r\n").encode() + b"\r\n"], rows)
    return {hit.row.id for hit in hits if isinstance(hit.row, Signature)}


def test_each_row_about_logs_has_its_own_case_and_its_own_near_miss(rows: SignatureSet) -> None:
    told = [case["id"] for case in CASES if case["meets"] and case["misses"]]
    assert sorted(told) == sorted(row.id for row in rows.signatures if row.when.about_logs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_log_meets_its_row_and_no_other(case: dict[str, Any], rows: SignatureSet) -> None:
    assert [met_by(log, rows) for log in case["meets"]] == [{case["id"]}] * len(case["meets"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_log_that_only_comes_near_does_not_meet_the_row(case: dict[str, Any], rows: SignatureSet) -> None:
    assert [log for log in case["misses"] if case["id"] in met_by(log, rows)] == []


# What is in a format that is told by a file's beginning cannot stand in the midst of another one.
TYPED = [case for case in CASES if not case["meets"][0].startswith(("<Event", "TimeCreated", "[", ">>>", "<![LOG["))]


@pytest.mark.parametrize("case", TYPED, ids=lambda case: case["id"])
def test_a_line_is_found_in_the_midst_of_a_large_log(case: dict[str, Any], rows: SignatureSet) -> None:
    dull = b"Nothing is said in this line of a log.\r\n" * 10_000
    log = case["meets"][0].encode() + b"\r\n"
    (hit,) = (hit for hit in scan_log("a.log", [dull, log, dull], rows) if isinstance(hit.row, Signature))
    assert (hit.row.id, hit.evidence.line) == (case["id"], 10_001)
