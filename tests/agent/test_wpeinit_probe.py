"""wpeinit.log tells what happened before the agent started, on the boot clock where its stamps allow."""

from datetime import UTC, datetime

import pytest
from pe_agent.model import Clock, Event, EventKind, Observation, Outcome, Reason
from pe_agent.probes import wpeinit
from pe_agent.probes.contract import Context

NOON = datetime(2021, 1, 1, 12, 0, 40, tzinfo=UTC).timestamp()
# Windows PE 40 s after its start, at 12:00:40 by a clock that runs eight hours behind UTC.
CLOCK = Clock(40.0, int((NOON + 8 * 3600) * 1000), -480)


class LogHost:
    def __init__(self, path):
        self._path = path

    def clock(self):
        return CLOCK

    def log_candidates(self):
        return [("X:\\Windows\\System32\\wpeinit.log", self._path)]


def observe(tmp_path, text):
    path = tmp_path / "wpeinit.log"
    path.write_bytes(b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"))
    answers = list(wpeinit.run(Context(LogHost(path), lambda: 40.0, 45.0)))
    return answers[-1], [a for a in answers if isinstance(a, Event)]


STAMPED = """2021-01-01 11:59:00.000, Info      Service dhcp start: 0x00000000
2021-01-01 12:00:05.500, Info      Service dhcp start: 0x00000000
2021-01-01 12:00:07.000, Info      Spent 1482ms installing network drivers
2021-01-01 12:00:35.250, Info      QueryAdapterStatus: found operational adapter with DHCP address assigned.
"""


def test_stamped_lines_of_this_boot_are_events_on_the_boot_clock(tmp_path):
    observation, events = observe(tmp_path, STAMPED)
    told = [(e.kind, e.at_s, e.recovered) for e in events]
    assert told == [
        (EventKind.DHCP_STARTED, pytest.approx(5.5), True),
        (EventKind.DHCP_DONE, pytest.approx(35.25), True),
    ]
    assert (observation.outcome, observation.reason) == (Outcome.OK, Reason.ANSWERED)
    assert observation.facts["installing_network_drivers_s"] == 1.482


def test_lines_without_a_stamp_give_facts_but_no_moment(tmp_path):
    observation, events = observe(
        tmp_path, "Info      Service dhcp start: 0x00000000\nInfo      Spent 46ms installing network components\n"
    )
    assert events == []
    assert observation.facts == {"installing_network_components_s": 0.046}


def test_without_the_log_nothing_is_said(tmp_path):
    host = LogHost(tmp_path / "setupact.log")
    assert list(wpeinit.run(Context(host, lambda: 40.0, 45.0))) == []


def test_a_log_that_cannot_be_opened_is_a_warning(tmp_path):
    (answer,) = wpeinit.run(Context(LogHost(tmp_path / "wpeinit.log"), lambda: 40.0, 45.0))
    assert isinstance(answer, Observation)
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.ACCESS_DENIED)
