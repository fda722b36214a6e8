"""The story end to end: every agent names the cause, and the collector sees one pattern where many machines fail."""

from __future__ import annotations

import json
from collections.abc import Iterator

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
        words = json.dumps(visit.verdict) + json.dumps(visit.report["findings"])
        assert "TCP 5040" in words
        assert "10.10.1.1" in words


def test_in_the_other_network_every_machine_stays_healthy(outcome: Outcome) -> None:
    for visit in of_network(outcome.after, "b"):
        assert (visit.exit_code, visit.verdict["status"]) == (0, "healthy"), visit.verdict


def test_every_report_is_stored_under_a_code_of_its_own(outcome: Outcome) -> None:
    codes = [visit.code for visit in outcome.before + outcome.after]
    assert all(codes)
    assert len(set(codes)) == len(codes)


def test_the_collector_sees_one_pattern_with_its_conditions(outcome: Outcome) -> None:
    (pattern,) = outcome.patterns["patterns"]
    assert pattern["conditions"]["prefix"] == "10.10.1.0/24"
    assert pattern["conditions"]["server"].lower() in ("10.10.9.20", "wds01")
    assert (pattern["failed"], pattern["failed_elsewhere"]) == (CLIENTS, 0)
    assert pattern["boots"] + pattern["boots_elsewhere"] == 4 * CLIENTS
    assert len(pattern["machines"]) == CLIENTS


def test_setups_log_is_stored_octet_for_octet(scene: tuple[Laboratory, Collector], outcome: Outcome) -> None:
    _, collector = scene
    for visit in of_network(outcome.after, "a"):
        assert collector.must("show", visit.code, "--log", SHOWN_LOG_PATH) == visit.setup_log


def test_the_screen_is_plain_ascii_names_the_port_and_says_stored(outcome: Outcome) -> None:
    assert outcome.screen.isascii()
    assert "5040" in outcome.screen.splitlines()[0]
    assert "stored as" in outcome.screen
