from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pe_agent import render, signatures
from pe_agent.codes import explain_code
from pe_agent.model import Boot, Clock, Finding, Identity, Observation, Opening, Outcome, Owner, Reason, Report, Verdict
from pe_agent.words import clean

from .cases import CORPUS, judged, read_case

OPENING = Opening(
    bytes(range(16)), "0.1.0", "report", Identity("uuid", macs=("aa:bb",)), Boot(Clock(5.0, 1_700_000_000_000))
)
HOSTILE = "x\x1b[31mred\x1b]0;title\x07 \u202egnp.exe\u2066 \x9b2J\r\nBell\x07 \u00e4"


def report(name: str) -> Report:
    case = read_case(CORPUS / name)
    judgement = judged(case, signatures.load())
    return Report(OPENING, (*case.observations, *case.events, *judgement.findings, judgement.verdict))


FULL = report("late-address-and-log")
EMPTY = Report(OPENING)


@pytest.mark.parametrize("form", sorted(render.FORMATS))
@pytest.mark.parametrize("what", [EMPTY, FULL], ids=["empty", "full"])
def test_every_format_renders_an_empty_and_a_full_report(form: str, what: Report) -> None:
    text = render.FORMATS[form](what, "stored as 7F3K-Q2")
    assert "stored as 7F3K-Q2" in text
    text.encode("ascii")


def test_the_first_line_says_what_is_wrong_who_must_act_and_what_to_do() -> None:
    verdict = FULL.verdict
    assert verdict is not None
    first = render.render_text(FULL, "").splitlines()[0]
    assert first.startswith(f"FAULT: {verdict.title}. Who must act: whoever runs the network. What to do:")
    assert verdict.advice in first


def test_a_report_that_was_cut_off_says_so() -> None:
    assert render.render_text(EMPTY, "").startswith("NOT KNOWN: this report was cut off")


def test_the_text_goes_from_verdict_over_probes_and_timeline_to_the_receipt() -> None:
    lines = render.render_text(FULL, "stored as 7F3K-Q2").splitlines()
    order = [lines.index(title) for title in ("Probes:", "Since the machine started:", "Findings:", "Ruled out:")]
    assert order == sorted(order)
    assert lines[-1] == "stored as 7F3K-Q2"


def test_each_probe_is_one_line_with_its_time() -> None:
    seen = Observation(
        "wds-rpc", "10.10.9.20:5040", Outcome.FAILED, Reason.FILTERED, 1.0, 6.604, {"port": 5040, "spoken": "tls"}
    )
    line = render.observation_line(seen)
    assert line == "FAIL     6.60 s  wds-rpc 10.10.9.20:5040: filtered (spoken=tls)"


@pytest.mark.parametrize(("name", "color"), [("port-filtered", "31"), ("late-address", "33"), ("healthy", "32")])
def test_color_follows_the_verdict_and_only_when_asked(name: str, color: str) -> None:
    assert render.render_text(report(name), "", color=True).startswith(f"\x1b[{color};1m")
    assert "\x1b" not in render.render_text(report(name), "")


def test_hostile_text_is_only_visible_ascii() -> None:
    shown = clean(HOSTILE)
    assert shown == "xred gnp.exe 2J Bell \\xe4"
    assert all(" " <= letter <= "~" for letter in shown)


def test_hostile_facts_findings_and_receipts_reach_no_terminal() -> None:
    seen = Observation("p", HOSTILE, Outcome.OK, Reason.ANSWERED, facts={"spoken": HOSTILE})
    finding = Finding("f", HOSTILE, Owner.NETWORK, HOSTILE, 0.5)
    verdict = FULL.verdict
    assert isinstance(verdict, Verdict)
    hostile = Report(OPENING, (seen, finding, replace(verdict, title=HOSTILE, advice=HOSTILE)))
    text = render.render_text(hostile, HOSTILE)
    assert all(letter == "\n" or " " <= letter <= "~" for letter in text)


def test_json_has_the_stable_names() -> None:
    document = json.loads(render.render_json(FULL, "kept"))
    names = {"identity", "boot", "timeline", "observations", "findings", "ruled_out", "verdict", "delivery"}
    assert names <= set(document)
    assert document["verdict"]["finding_id"] == "late-address"
    assert document["delivery"] == "kept"
    assert document["identity"]["macs"] == ["aa:bb"]


def test_an_open_report_has_no_verdict_in_json() -> None:
    document = json.loads(render.render_json(EMPTY, ""))
    assert (document["verdict"], document["delivery"]) == (None, None)


def test_jsonl_is_an_object_a_line() -> None:
    words = [json.loads(line)["record"] for line in render.render_jsonl(FULL, "kept").splitlines()]
    assert words[0] == "opening"
    assert words[-2:] == ["verdict", "delivery"]
    assert words.count("event") == len(FULL.timeline)


def test_observations_have_the_stable_names_and_plain_facts() -> None:
    seen = Observation("p", "t", Outcome.OK, Reason.ANSWERED, 1.0, 0.5, {"up": True, "port": 5040, "rtt_s": 0.25})
    (document,) = json.loads(render.render_observations_json([seen]))["observations"]
    assert {"probe", "target", "outcome", "reason", "elapsed_s", "facts"} <= set(document)
    assert document["facts"] == {"up": True, "port": 5040, "rtt_s": 0.25}


def test_a_code_is_shown_with_its_source() -> None:
    assert "see: [MS-ERREF]" in render.render_code(explain_code("1722"), "text")
    assert json.loads(render.render_code(explain_code("1722"), "json"))["name"] == "RPC_S_SERVER_UNAVAILABLE"


def test_the_list_of_probes_names_each_question() -> None:
    rows = [("address", "When?", 3.0)]
    assert "When?" in render.render_probe_list(rows, "text")
    assert json.loads(render.render_probe_list(rows, "json"))["probes"][0]["name"] == "address"
