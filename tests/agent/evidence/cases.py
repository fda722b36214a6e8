"""The golden corpus: a folder a case, with logs, observations.toml or both, and expected.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from pe_agent.boot_order import Clocks
from pe_agent.judge import Judgement, compared, judge
from pe_agent.model import Clock, Event, EventKind, Observation, Outcome, Reason
from pe_agent.related import relate
from pe_agent.scan import LogHit, scan_log
from pe_agent.signatures import Signature, SignatureSet

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Case:
    """What was seen, and what must come of it."""

    logs: dict[str, bytes]
    observations: tuple[Observation, ...]
    events: tuple[Event, ...]
    expected: dict[str, Any]
    clocks: Clocks | None = None


def read_case(folder: Path) -> Case:
    """A case from its folder."""
    seen_file = folder / "observations.toml"
    seen = tomllib.loads(seen_file.read_text()) if seen_file.exists() else {}
    return Case(
        logs={path.name: path.read_bytes() for path in sorted(folder.glob("*.log"))},
        observations=tuple(_observation(row) for row in seen.get("observation", [])),
        events=tuple(Event(e["at_s"], e["adapter"], EventKind(e["kind"]), e["detail"]) for e in seen.get("event", [])),
        clocks=_clocks(seen["clocks"]) if "clocks" in seen else None,
        expected=tomllib.loads((folder / "expected.toml").read_text()),
    )


def hits_of(case: Case, signatures: SignatureSet) -> tuple[LogHit, ...]:
    """What the logs of a case meet."""
    return tuple(hit for name, log in case.logs.items() for hit in scan_log(name, [log], signatures))


def judged(case: Case, signatures: SignatureSet) -> Judgement:
    """The judgement of a case."""
    return judge(case.observations, case.events, hits_of(case, signatures), signatures, case.clocks)


def marks_of(case: Case, signatures: SignatureSet) -> set[str]:
    """The signatures whose conditions hold, before one explains another."""
    hits = hits_of(case, signatures)
    from_logs = {hit.row.id for hit in hits if isinstance(hit.row, Signature)}
    told = compared(hits, case.observations, case.events, case.clocks)
    related = relate((*case.observations, *told), case.events)
    measured = {s.id for s in signatures.signatures for pair in related if s.when.match_observation(pair.seen)}
    return from_logs | measured


def _observation(row: dict[str, Any]) -> Observation:
    outcome, reason = Outcome(row["outcome"]), Reason(row["reason"])
    return Observation(row["probe"], row["target"], outcome, reason, facts=row.get("facts", {}))


def _clocks(row: dict[str, Any]) -> Clocks:
    """Local wall times as ISO; the machine's zone is the offset's minutes east of UTC."""
    return Clocks(*(_clock(row[name]) for name in ("began", "now")))


def _clock(row: dict[str, Any]) -> Clock:
    utc = row["wall"].replace(tzinfo=UTC).timestamp() - row["utc_offset_min"] * 60
    return Clock(row["uptime_s"], round(utc * 1000), row["utc_offset_min"])
