"""The story end to end: every agent names the cause, and the collector sees one pattern where many machines fail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from .conditions import why_not
from .story import SHOWN_LOG_PATH, Collector, Outcome, Visit, play, stage
from .topology import Laboratory

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "possible")]

CLIENTS = 4


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[Laboratory, Collector]]:
    with stage(CLIENTS, print) as scene:
        yield scene


@pytest.fixture(scope="module")
def outcome(scene: tuple[Laboratory, Collector]) -> Outcome:
    return play(*scene, print)


def of_network(visits: tuple[Visit, ...], letter: str) -> list[Visit]:
    chosen = [visit for visit in visits if visit.client.startswith(letter)]
    assert len(chosen) == CLIENTS
    return chosen


def test_before_the_rule_every_machine_is_healthy(outcome: Outcome) -> None:
    assert [(v.client, v.exit_code, v.verdict["status"]) for v in outcome.before] == [
        (v.client, 0, "healthy") for v in outcome.before
    ]


def test_in_the_blocked_network_every_agent_names_port_hop_and_owner(outcome: Outcome) -> None:
    for visit in of_network(outcome.after, "a"):
        assert visit.exit_code == 20, visit.client
        assert visit.verdict["owner"] == "network"
        assert visit.verdict["finding_id"] == "wds-rpc-filtered"
        assert "TCP 5040" in json.dumps(visit.verdict)
        (trace,) = [o for o in visit.report["observations"] if o["probe"] == "path-trace"]
        assert (trace["target"], trace["facts"]["last_hop"]) == ("10.10.9.20:5040", "10.10.1.1")
        assert re.search(r"\b10\.10\.1\.1\b(?!\.)", json.dumps(visit.verdict) + json.dumps(visit.report["findings"]))


def test_in_the_other_network_every_machine_stays_healthy(outcome: Outcome) -> None:
    for visit in of_network(outcome.after, "b"):
        assert (visit.exit_code, visit.verdict["status"]) == (0, "healthy"), visit.verdict


def test_every_report_is_stored_under_a_code_of_its_own(outcome: Outcome) -> None:
    codes = [visit.code for visit in outcome.before + outcome.after]
    assert all(codes)
    assert len(set(codes)) == len(codes)


def test_the_collector_names_subnet_server_port_and_onset_and_nothing_else(outcome: Outcome) -> None:
    assert outcome.mistakes() == ()
    (pattern,) = outcome.patterns["patterns"]
    assert (pattern["target"], pattern["failed"], pattern["boots_elsewhere"]) == ("10.10.9.20:5040", 4, 12)
    assert len(pattern["machines"]) == CLIENTS


WRONG = {
    "target": "10.10.9.20:135",
    "signature": ["wds-rpc-refused"],
    "conditions": {"prefix": "10.10.1.0/24", "server": "10.10.9.20", "model": "Latitude"},
    "failed_elsewhere": 1,
    "onset_after": "2031-01-01T00:00:00Z",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_of_the_collector_is_a_mistake(outcome: Outcome, name: str) -> None:
    (pattern,) = outcome.patterns["patterns"]
    other = replace(outcome, patterns={"patterns": [pattern | {name: WRONG[name]}]})
    assert len(other.mistakes()) == 1
    assert replace(outcome, patterns={"patterns": [pattern, pattern]}).mistakes()
    assert replace(outcome, patterns_text=outcome.patterns_text.replace("5040", "135")).mistakes()


def test_setups_log_is_stored_octet_for_octet(scene: tuple[Laboratory, Collector], outcome: Outcome) -> None:
    _, collector = scene
    for visit in of_network(outcome.after, "a"):
        assert collector.must("show", visit.code, "--log", SHOWN_LOG_PATH) == visit.setup_log


def test_the_screen_is_plain_ascii_names_the_port_and_says_stored(outcome: Outcome) -> None:
    assert outcome.screen.isascii()
    assert "5040" in outcome.screen.splitlines()[0]
    assert "stored as" in outcome.screen
