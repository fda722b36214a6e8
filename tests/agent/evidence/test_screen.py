"""What the technician sees: bars of the timeline, a log that CMTrace reads, the state so far, a code to carry away."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent import carried, signatures
from pe_agent.errors import DecodeError, UsageError
from pe_agent.journal import LOG, STATE, Journal, cmtrace_line, read_state
from pe_agent.model import (
    Boot,
    Clock,
    Event,
    EventKind,
    Identity,
    Observation,
    Opening,
    Outcome,
    Reason,
    Report,
    receipt_code,
)
from pe_agent.readers.formats import format_name, read_any
from pe_agent.render.qr import qr_lines
from pe_agent.render.timeline import timeline_bars

from .cases import CORPUS, judged, read_case

CLOCK = Clock(42.0, 1_772_468_130_123, -480)
OPENING = Opening(
    bytes(range(16)),
    "0.1.0",
    "report",
    Identity("4c4c4544-0042", "B4C0S2", macs=("52:54:00:12:34:56",)),
    Boot(CLOCK, "boot-1", "2026-11-01", "WinPE-x64"),
)


def report(name: str = "port-filtered") -> Report:
    case = read_case(CORPUS / name)
    judgement = judged(case, signatures.load())
    return Report(OPENING, (*case.observations, *case.events, *judgement.findings, judgement.verdict))


def test_a_bar_shows_when_link_and_address_came() -> None:
    kinds = [(10.0, EventKind.LINK_UP), (20.0, EventKind.APIPA), (30.0, EventKind.ADDRESS), (40.0, EventKind.GATEWAY)]
    bar, legend = timeline_bars([Event(at_s, "eth0", kind) for at_s, kind in kinds])
    assert bar == f"eth0 |{' ' * 9}{'-' * 10}{'!' * 10}{'#' * 11}| 40.0 s"
    assert "address" in legend


def test_without_events_there_are_no_bars() -> None:
    assert list(timeline_bars([])) == []


def test_the_agents_own_log_has_the_form_of_cmtrace() -> None:
    line = cmtrace_line("a ]LOG] b\r\nc", CLOCK, "wds-rpc", 3)
    assert re.fullmatch(
        r'<!\[LOG\[[^\r\n]*\]LOG\]!><time="08:15:30\.123\+480" date="03-02-2026" component="wds-rpc" context="" '
        r'type="3" thread="\d+" file="">\r\n',
        line,
    )
    (record,) = read_any([line.encode()])
    assert format_name(record) == "cmtrace"
    assert record.component == "wds-rpc"


def test_east_of_greenwich_the_bias_is_negative() -> None:
    assert "-060" in cmtrace_line("x", replace(CLOCK, utc_offset_min=60), "x", 1)


def test_the_state_says_what_was_found_so_far(tmp_path: Path) -> None:
    journal = Journal([tmp_path / "not" / "there", tmp_path])
    whole = report()
    journal.keep(Report(OPENING, whole.records[:1]), "")
    assert read_state([tmp_path / "not" / "there"])["finished"] is False
    journal.keep(whole, "stored as 7F3K-Q2")
    state = read_state([tmp_path, tmp_path / "not" / "there"])
    assert state["finished"] is True
    assert "stored as 7F3K-Q2" in state["text"]
    assert state["report"]["verdict"]["finding_id"] == "wds-rpc-filtered"


def test_every_record_is_a_line_of_the_log_that_names_its_gravity(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    for record in report().records:
        journal.log(record, CLOCK)
    lines = (tmp_path / LOG).read_text().splitlines()
    assert len(lines) == len(report().records)
    assert any('component="wds-rpc"' in line and 'type="3"' in line for line in lines)


def test_where_nothing_ran_status_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pe-agent report"):
        read_state([tmp_path])


def test_others_may_read_neither_the_state_nor_the_log(tmp_path: Path) -> None:
    (tmp_path / LOG).touch(mode=0o644)
    journal = Journal([tmp_path])
    journal.say("x", CLOCK)
    journal.keep(report(), "")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {LOG: 0o600, STATE: 0o600}


def test_a_medium_that_refuses_ends_the_journal_and_not_the_run(tmp_path: Path) -> None:
    journal = Journal([tmp_path / "folder"])
    (tmp_path / "folder").rmdir()
    journal.say("x", CLOCK)
    journal.keep(report(), "")
    assert journal.folder is None


def test_the_code_on_the_screen_carries_verdict_and_reasons() -> None:
    whole = report()
    text = carried.encode_report(whole)
    assert re.fullmatch(r"PE1[A-Z2-7]+", text)
    assert len(text) < 1000
    read = carried.decode_report(text)
    assert whole.verdict is not None
    assert read.verdict is not None
    assert (read.verdict.finding_id, read.verdict.status) == (whole.verdict.finding_id, whole.verdict.status)
    assert read.opening.trigger == "hand-carried"
    assert read.opening.identity == OPENING.identity
    assert read.opening.boot == OPENING.boot
    assert ("wds-rpc", Reason.FILTERED) in {(o.probe, o.reason) for o in read.observations}


def test_a_code_names_another_report_with_the_same_receipt_code() -> None:
    read = carried.decode_report(carried.encode_report(report()))
    assert read.opening.report_id != OPENING.report_id
    assert receipt_code(read.opening.report_id) == receipt_code(OPENING.report_id)


def test_a_code_may_be_typed_in_small_letters_groups_and_lines() -> None:
    text = carried.encode_report(report())
    typed = "\n".join(text[at : at + 5].lower() + "-" for at in range(0, len(text), 5))
    assert carried.decode_report(typed) == carried.decode_report(text)


@given(st.integers(0, 10_000), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_letter_that_was_read_wrong_is_noticed(at: int, letter: str) -> None:
    text = carried.encode_report(report("nothing-known"))
    at %= len(text) - 1
    wrong = text[:at] + letter + text[at + 1 :]
    if wrong != text:
        with pytest.raises(DecodeError):
            carried.decode_report(wrong)


@given(st.text(max_size=200))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    for tried in (text, f"PE1{text}"):
        with pytest.raises(DecodeError):
            carried.decode_report(tried)


def test_the_picture_is_a_qr_code_that_fits_on_a_console() -> None:
    pytest.importorskip("segno")
    lines = qr_lines(carried.encode_report(report()), "utf-8")
    assert len(lines) < 50
    assert len({len(line) for line in lines}) == 1
    assert max(map(len, lines)) <= 80
    plain = qr_lines("PE1ABC", "ascii")
    assert set("".join(plain)) == {"#", " "}


def test_a_failed_probe_is_told_before_a_warning() -> None:
    seen = [Observation(f"p{n}", "", Outcome.WARNING if n < 9 else Outcome.FAILED, Reason.SILENT) for n in range(10)]
    read = carried.decode_report(carried.encode_report(Report(OPENING, tuple(seen))))
    assert read.observations[0].probe == "p9"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=60, check=False)


def test_both_programs_decode_and_the_collector_keeps_it_as_carried(tmp_path: Path) -> None:
    code = carried.encode_report(report())
    for program in ("pe_agent", "pe_collector"):
        shown = run(program, "decode", code[:30], code[30:])
        assert "FAULT" in shown.stdout, shown.stderr
    data = ("--data", str(tmp_path / "data"))
    run("pe_collector", "init", *data)
    assert run("pe_collector", "decode", code, "--keep", *data).returncode == 0
    again = run("pe_collector", "decode", code, "--keep", *data)
    assert "stored already" in again.stdout
    query = 'SELECT "trigger", carried, verdict, complete FROM report'
    assert run("pe_collector", "sql", query, *data, "--format", "csv").stdout.splitlines()[1:] == [
        "hand-carried,1,wds-rpc-filtered,1"
    ]


def test_status_and_last_show_what_a_run_left(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    spool = ("--spool", str(tmp_path))
    run("pe_agent", "report", "--only", "architecture", "--no-send", "--sysroot", str(tmp_path / "root"), *spool)
    for name in ("status", "last"):
        shown = run("pe_agent", name, *spool)
        assert "architecture" in shown.stdout, shown.stderr
        assert "NOT delivered" in shown.stdout
        _, _, code = shown.stdout.partition("for `pe-collector decode`:\n")
        assert carried.decode_report(code).opening.trigger == carried.TRIGGER
