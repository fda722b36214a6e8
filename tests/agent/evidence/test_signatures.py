from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pe_agent import signatures
from pe_agent.conditions import FactTest
from pe_agent.errors import UsageError
from pe_agent.model import Observation, Outcome, Reason
from pe_agent.signatures import parse

ROW = """
[[signature]]
id = "one"
title = "T $port"
advice = "A"
owner = "network"
status = "fault"
stage = "ports"
confidence = 0.5
source = "S"
mark = "verified"
"""
PROBE_ROW = ROW + 'probe = "wds-rpc"\n'
LOG_ROW = ROW + "log = 'CreateClientSession'\n"


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text.encode(), "rows.toml")
    return str(caught.value)


def test_the_rows_that_come_with_the_agent_load() -> None:
    assert signatures.load().signatures


def test_the_set_remembers_the_hash_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.toml"
    path.write_text(PROBE_ROW)
    assert signatures.load(path).sha256 == hashlib.sha256(PROBE_ROW.encode()).digest()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.toml"):
        signatures.load(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (PROBE_ROW + "colour = 1", "row 1 (one): unknown key 'colour'"),
        (PROBE_ROW.replace('owner = "network"', 'owner = "nobody"'), "owner 'nobody' is none of network"),
        (PROBE_ROW.replace('id = "one"', ""), "row 1 (without id): id is missing"),
        (PROBE_ROW.replace("T $port", "T $ 5"), "title has a $ without a name"),
        (PROBE_ROW.replace("0.5", "1.5"), "confidence is a number"),
        (PROBE_ROW.replace('"ports"', '"moon"'), "stage 'moon' is none of link"),
        (PROBE_ROW + 'reason = "tired"', "reason 'tired' is none of"),
        (PROBE_ROW + "fact.port.ge = 5", "fact.port.ge is not understood"),
        (PROBE_ROW + "fact.port.in = 5", "fact.port.in is not understood"),
        (PROBE_ROW + "fact.port = 5", "write fact.NAME.eq"),
        (PROBE_ROW + "code = ['5']", "code, component and unless go with log"),
        (LOG_ROW + 'reason = "filtered"', "go with probe"),
        (LOG_ROW + 'code = "five"', "code 'five' is no number"),
        (ROW, "a row has either log (or event) or probe"),
        (LOG_ROW + 'probe = "wds-rpc"', "a row has either log (or event) or probe"),
        (ROW + "log = '(x'", "is no regular expression"),
        (ROW + "log = 'abcdef|ghijkl'", "plain characters"),
        (ROW + "log = '(abcdef)?x+'", "plain characters"),
        (PROBE_ROW + PROBE_ROW, "'one' stands there twice"),
        ("[[rule]]\nid = 'x'", "unknown table 'rule'"),
        ("= 1", "no TOML"),
        (
            "[[excluded]]\nid = 'x'\ntitle = 't'\nbecause = 'b'\nsource = 's'\nmark = 'verified'\nprobe = 'p'",
            "excluded 'x': no signature",
        ),
    ],
)
def test_a_bad_row_is_refused_by_name(text: str, complaint: str) -> None:
    message = refusal(text)
    assert complaint in message
    assert message.startswith("rows.toml")


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"\bCreateClientSession: Fail", b"createclientsession: fail"),
        (r"\[WdsImgSrv\] Error\. \[(?P<n>\d+)\]", b"[wdsimgsrv] error. ["),
        (r"abcdefg?xyz12", b"abcdef"),
        (r"(?:one|two(?:three)) and then", b" and then"),
    ],
)
def test_the_literal_is_what_no_match_can_do_without(pattern: str, literal: bytes) -> None:
    (row,) = parse((ROW + f"log = '{pattern}'").encode(), "rows.toml").signatures
    assert row.when.literals == (literal,)


@pytest.mark.parametrize(
    ("operator", "wanted", "fact", "holds"),
    [
        ("eq", 5040, 5040, True),
        ("eq", 5040, 5041, False),
        ("eq", 1, True, False),
        ("in", ["http", "tls"], "tls", True),
        ("in", ["http", "tls"], "ssh", False),
        ("lt", 15, 2.5, True),
        ("lt", 15, 15.0, False),
        ("gt", 15, 15.1, True),
        ("gt", 15, "20", False),
        ("gt", 0, True, False),
    ],
)
def test_a_fact_meets_its_test_or_not(operator: str, wanted: object, fact: object, holds: bool) -> None:
    assert FactTest("f", operator, wanted).holds({"f": fact}) is holds  # type: ignore[dict-item]


def test_a_missing_fact_fails_every_test() -> None:
    assert not any(FactTest("f", op, value).holds({}) for op, value in [("eq", 0), ("in", [0]), ("lt", 9), ("gt", -9)])


def test_all_conditions_must_hold() -> None:
    text = PROBE_ROW + 'outcome = "failed"\nreason = ["filtered", "rejected"]\nfact.port.eq = 5040\n'
    (row,) = parse(text.encode(), "rows.toml").signatures
    good = Observation("wds-rpc", "a:1", Outcome.FAILED, Reason.FILTERED, facts={"port": 5040})
    others = [
        Observation("path-trace", "a:1", Outcome.FAILED, Reason.FILTERED, facts={"port": 5040}),
        Observation("wds-rpc", "a:1", Outcome.WARNING, Reason.FILTERED, facts={"port": 5040}),
        Observation("wds-rpc", "a:1", Outcome.FAILED, Reason.REFUSED, facts={"port": 5040}),
        Observation("wds-rpc", "a:1", Outcome.FAILED, Reason.FILTERED, facts={"port": 5041}),
    ]
    assert row.when.match_observation(good)
    assert not any(row.when.match_observation(other) for other in others)
