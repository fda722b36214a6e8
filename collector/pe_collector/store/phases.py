"""How far did a boot come? Its cells on the board, from what its probes and its leading finding say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pe_collector.engine.nodes import stages

PHASES = ("link", "address", "pxe", "rpc", "images", "apply", "verdict")
OK, WARNING, FAILED, RUNNING = "ok", "warning", "failed", "running"
_OF_PROBE = {
    "adapters": ("link",),
    "address": ("link", "address"),
    "dhcp": ("address",),
    "pxe": ("pxe",),
    "tftp": ("pxe",),
    "endpoint-mapper": ("rpc",),
    "wds-rpc": ("rpc",),
}
_OF_STAGE = {
    "driver": "link",
    "address": "address",
    "boot-program": "pxe",
    "server": "rpc",
    "rpc": "rpc",
    "images": "images",
    "disk": "apply",
}
_OF_FINDING = {"no-link": "link"}
# Only these reasons of the address probe speak of the link; with any other one there was link.
_NO_LINK = frozenset({"no-adapter", "no-link", "no-driver"})
_STATE_OF_OUTCOME = {"ok": OK, "warning": WARNING, "failed": FAILED}
_STATE_OF_STATUS = {"healthy": OK, "warning": WARNING, "fault": FAILED, "unknown": WARNING}
_RANK = {OK: 0, WARNING: 1, FAILED: 2}


class Seen(NamedTuple):
    """What one observation said."""

    probe: str
    outcome: str
    reason: str


Cells = dict[str, tuple[str, str]]


def cells_of(seen: Iterable[Seen], status: str = "", finding: str = "") -> Cells:
    """Phase -> (state, reason); a phase of which nothing is known is left out.

    `status` and `finding` are the report's verdict, empty while there is none. On a machine that is healthy nothing
    failed: what a probe missed there did not matter.
    """
    cells: Cells = {}
    for observation in seen:
        for phase, state in _states(observation):
            if status == "healthy" and state == FAILED:
                state = WARNING  # noqa: PLW2901 - see above
            if phase not in cells or _RANK[state] > _RANK[cells[phase][0]]:
                cells[phase] = (state, "" if state == OK else observation.reason)
    if status in _STATE_OF_STATUS:
        cells["verdict"] = (_STATE_OF_STATUS[status], finding)
    if status == "fault" and finding:
        cells[phase_of(finding)] = (FAILED, finding)
    return cells


def phase_of(finding: str) -> str:
    """The phase at which a boot with this finding stopped; the verdict's own cell where that is not known."""
    known = stages()
    if finding in _OF_FINDING:
        return _OF_FINDING[finding]
    if finding not in known.order:
        return "verdict"
    return _OF_STAGE.get(known.names[known.order[finding]], "verdict")


def first_failed(cells: Mapping[str, tuple[str, str]]) -> str:
    """The first phase that failed; empty when none did."""
    return next((phase for phase in PHASES if cells.get(phase, ("",))[0] == FAILED), "")


def to_text(cells: Cells) -> str:
    """The cells as the column `phases` holds them."""
    return json.dumps(cells)


def from_text(text: str) -> Cells:
    """The cells of a stored report; none when it had no verdict yet."""
    return {phase: (state, reason) for phase, (state, reason) in json.loads(text or "{}").items()}


def _states(seen: Seen) -> Iterable[tuple[str, str]]:
    state = _STATE_OF_OUTCOME.get(seen.outcome)
    if state is None:
        return
    for phase in _OF_PROBE.get(seen.probe, ()):
        concerned = seen.probe != "address" or (phase == "link") == (seen.reason in _NO_LINK)
        if concerned or state == OK:
            yield phase, state
        elif phase == "link":
            yield phase, OK
