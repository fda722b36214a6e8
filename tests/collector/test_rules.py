"""The signatures at the collector: which rows there are, and what they make of a log."""

import hashlib
import json
import time
from contextlib import closing
from pathlib import Path

import pytest
from pe_agent import signatures, wire
from pe_agent.boot_order import Clocks
from pe_agent.judge import judge
from pe_agent.model import Boot, Clock, Identity, LogChunk, Observation, Opening, Outcome, Reason, Report
from pe_agent.scan import scan_log
from pe_collector import importer, store
from pe_collector.cli import run
from pe_collector.limits import Limits

CORPUS = Path(__file__).parents[1] / "agent" / "evidence" / "corpus"
OWN = """
[[signature]]
id = "own-words"
stage = "log"
status = "fault"
owner = "image"
confidence = 0.7
title = "The script says that the share is gone"
advice = "Share it again."
source = "our own script"
mark = "verified"
log = 'share is gone'
"""


@pytest.fixture
def told(capsys):
    def running(*words, code=0):
        assert run(["rules", *map(str, words)]) == code
        return capsys.readouterr()

    return running


def test_the_list_has_every_row_and_says_which_file_it_is(told):
    known = signatures.load()
    said = told("list", "--format", "json")
    rows = json.loads(said.out)
    assert [row["id"] for row in rows] == [row.id for row in known.rows]
    assert sum(row["status"] == "excluded" for row in rows) == len(known.exclusions)
    assert known.sha256.hex() in said.err


def test_a_log_is_judged_as_the_agent_judges_it(told):
    said = json.loads(told("test", CORPUS / "seed-2008", "--format", "json").out)
    assert said["findings"][0]["id"] == "wds-client-session-failed"


def test_rows_of_another_file_are_tried_before_they_go_into_an_image(told, tmp_path):
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "script.log").write_text("2026-03-02 08:00:00, Error  the share is gone\r\n", encoding="utf-8")
    told_rows = ("--signatures", tmp_path / "own.toml", "--format", "json")
    assert [row["id"] for row in json.loads(told("list", *told_rows).out)] == ["own-words"]
    (finding,) = json.loads(told("test", tmp_path / "script.log", *told_rows).out)["findings"]
    assert (finding["id"], finding["evidence"][0]["line"]) == ("own-words", 1)


def test_a_row_with_a_key_that_is_none_is_refused_by_its_name(told, tmp_path):
    (tmp_path / "own.toml").write_text(OWN + "severity = 3\n", encoding="utf-8")
    assert "severity" in told("list", "--signatures", tmp_path / "own.toml", code=2).err


@pytest.fixture
def stored(tmp_path):
    """A collector with one report, judged as an agent judges: a path that is filtered, and a log that says so too."""
    data, octets = tmp_path / "data", (CORPUS / "seed-2008" / "setupact.log").read_bytes()
    clock, known = Clock(30.0, int(time.time() * 1000)), signatures.load()
    seen = Observation("wds-rpc", "10.10.9.20:5040", Outcome.FAILED, Reason.FILTERED, 12.0, 3.0, {"port": 5040})
    judged = judge((seen,), (), scan_log("setupact.log", (octets,), known), known, Clocks(clock, clock))
    log = LogChunk("setupact.log", 0, octets, len(octets), hashlib.sha256(octets).digest())
    opening = Opening(bytes(15) + b"\x01", "0.1.0", "auto", Identity(serial="S1"), Boot(clock))
    report = Report(opening, (seen, log, *judged.findings, judged.verdict))
    frames = [wire.encode_record(n, record) for n, record in enumerate(report.records, start=1)]
    line = wire.report_to_json(wire.frames_to_report([wire.encode_hello(opening, clock), *frames]))
    (tmp_path / "one.jsonl").write_text(line + "\n", encoding="utf-8")
    data.mkdir()
    store.create(data)
    list(importer.import_files(data, [tmp_path / "one.jsonl"], time.time(), Limits()))
    return data, judged.verdict.finding_id


def test_a_stored_report_has_the_same_verdict_by_the_rows_that_judged_it(told, stored):
    data, finding = stored
    said = told("compare", "--data", data, "--format", "json")
    assert json.loads(said.out) == []
    assert finding.startswith("wds-rpc")
    assert "1 report: 0 verdicts change, 0 have lost a log" in said.err


def test_rows_that_know_another_cause_are_said_to_change_it_and_nothing_is_stored(told, stored, tmp_path):
    data, finding = stored
    own = OWN.replace("share is gone", "CreateClientSession").replace("own-words", "no-session")
    (tmp_path / "own.toml").write_text(own.replace('stage = "log"', 'stage = "link"'), encoding="utf-8")
    said = told("compare", "--data", data, "--signatures", tmp_path / "own.toml", "--format", "json")
    (row,) = json.loads(said.out)
    assert (row["change"], row["verdict"], row["verdict_now"]) == ("changed", finding, "no-session")
    with closing(store.open_reader(data / store.FILE_NAME)) as connection:
        assert connection.execute("SELECT verdict FROM report").fetchone()["verdict"] == finding


def test_a_report_whose_log_was_pruned_is_not_judged(told, stored):
    data, _ = stored
    with closing(store.open_writer(data / store.FILE_NAME)) as connection:
        connection.execute("UPDATE log_chunk SET codec='left-out', blob=NULL")
    said = told("compare", "--data", data, "--format", "json")
    assert [row["change"] for row in json.loads(said.out)] == ["not judged"]
    assert "1 have lost a log" in said.err
