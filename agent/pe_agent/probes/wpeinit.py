"""What happened before the agent started, as wpeinit.log has it? Windows PE's own start of the network.

The newer form of the log stamps each line with local wall time; it is laid on the boot clock by the machine's two
clocks, and nothing is said of stamps from before this boot (the log is appended to on every run).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pe_agent.boot_order import Clocks
from pe_agent.observed import Event, EventKind, FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.readers.formats import read_any

PROBE = "wpeinit"
FILE_NAME = "wpeinit.log"
# A log of hundreds of runs is smaller.
MOST_OCTETS = 4 * 1024 * 1024
# Source: lines of public wpeinit.log files; the status of a step that worked is 0.
_MARKS: tuple[tuple[re.Pattern[str], EventKind], ...] = (
    (re.compile(r"^Service dhcp start: 0x0{8}"), EventKind.DHCP_STARTED),
    (re.compile(r"^QueryAdapterStatus: found operational adapter with DHCP address"), EventKind.DHCP_DONE),
    (re.compile(r"^QueryAdapterStatus: no adapters found"), EventKind.NO_ADAPTER),
)
_SPENT = re.compile(r"^Spent (\d{1,9})ms (installing network (?:components|drivers)|confirming network initialization)")


def run(context: Context) -> Iterator[Observation | Event]:
    """The events of this boot that the log tells, and one answer with what it says about the last run."""
    started_at_s = context.clock_s()
    found = next(((name, path) for name, path in context.host.log_candidates() if path.name.lower() == FILE_NAME), None)
    if found is None:
        return
    shown, path = found
    clock = context.host.clock()
    facts: dict[str, FactValue] = {}
    try:
        for time, text in _lines(path):
            yield from _event(time, text, Clocks(clock, clock))
            facts |= _facts(text)
    except OSError as exc:
        facts["error"] = exc.strerror or str(exc)
        outcome, reason = Outcome.WARNING, Reason.ACCESS_DENIED
    else:
        outcome, reason = Outcome.OK, Reason.ANSWERED
    yield Observation(PROBE, shown, outcome, reason, started_at_s, context.clock_s() - started_at_s, facts)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for record in read_any(iter([file.read(MOST_OCTETS)])):
            yield record.time, record.text.strip()


def _event(time: str, text: str, clocks: Clocks) -> Iterator[Event]:
    kind = next((kind for mark, kind in _MARKS if mark.search(text)), None)
    at_s = clocks.at_boot_s(time) if kind and time else None
    if kind is not None and at_s is not None:
        yield Event(at_s, "", kind, "by wpeinit", recovered=True)


def _facts(text: str) -> dict[str, FactValue]:
    """How long each step of the last run took, seconds."""
    match = _SPENT.search(text)
    if match is None:
        return {}
    return {match[2].replace(" ", "_") + "_s": int(match[1]) / 1000}
