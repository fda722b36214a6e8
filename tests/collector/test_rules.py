"""The signatures at the collector: which rows there are, and what they make of a log."""

import json
from pathlib import Path

import pytest
from pe_agent import signatures
from pe_collector.cli import run

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
