"""What is wrong, who must act, and what is ruled out? Pure: observations, events and log hits in, a verdict out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from string import Template

from pe_agent.asked_again import PROBE as ASKED_AGAIN
from pe_agent.asked_again import asked_again
from pe_agent.boot_order import PROBE as BOOT_ORDER
from pe_agent.boot_order import Clocks, boot_order
from pe_agent.model import (
    Event,
    Evidence,
    FactValue,
    Finding,
    Observation,
    Outcome,
    Owner,
    Reason,
    RuledOut,
    Status,
    Verdict,
)
from pe_agent.related import Related, relate
from pe_agent.scan import MOST_TEXT, LogHit
from pe_agent.signatures import Exclusion, Signature, SignatureSet, Stage
from pe_agent.words import describe, describe_event, value_text

MOST_EVIDENCE = 16
_MOST_EVENTS = 6
_NEVER_CERTAIN = 0.99
# What a log says of a fault is worth less when the same path answers now.
_OPEN_NOW = 0.6
# They explain other answers and are no cause themselves.
_AUXILIARY = frozenset({"path-trace", "logs", "wpeinit", BOOT_ORDER, ASKED_AGAIN})
# Signatures whose lines are written when Setup asks the WDS server.
_ASKED = "wds-client-*"
_SEVERITY = {Status.HEALTHY: 0, Status.UNKNOWN: 0, Status.WARNING: 1, Status.FAULT: 2}
_STATUS_OF = {Outcome.FAILED: Status.FAULT, Outcome.WARNING: Status.WARNING, Outcome.CRASHED: Status.WARNING}
_ASK = "Send the report to whoever looks after the deployment; no known cause fits this answer."


@dataclass(frozen=True, slots=True)
class Judgement:
    """Findings, the leading one first, and the verdict."""

    findings: tuple[Finding, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Cause:
    finding: Finding
    status: Status
    stage: Stage
    explains: frozenset[str] = frozenset()

    @property
    def rank(self) -> tuple[int, int, float]:
        """Smaller leads: faults before warnings, then nearer to the start of the way, then more certain."""
        return (-_SEVERITY[self.status], self.stage, -self.finding.confidence)

    def explains_finding(self, finding_id: str) -> bool:
        return finding_id != self.finding.id and any(fnmatchcase(finding_id, p) for p in self.explains)


def judge(
    observations: Sequence[Observation],
    events: Sequence[Event],
    hits: Iterable[LogHit],
    signatures: SignatureSet,
    clocks: Clocks | None = None,
) -> Judgement:
    """Join what was measured with what the logs say, and rank causes by how near they are to the start of the way.

    With the machine's clocks the stamps of log lines are laid beside the timeline.
    """
    found = tuple(hits)
    observations = (*observations, *compared(found, observations, events, clocks))
    related = relate(observations, events)
    causes = _merged(
        itertools.chain(
            (c for pair in related for c in _from_observation(pair, events, signatures)),
            (_from_hit(hit, hit.row) for hit in found if isinstance(hit.row, Signature)),
        )
    )
    leading = _joined([_doubted(cause, observations) for cause in causes])
    ruled_out = _ruled_out(related, found, signatures, {cause.finding.id for cause in causes})
    findings = tuple(cause.finding for cause in leading)
    return Judgement(findings, _verdict(leading, observations, ruled_out, signatures))


def compared(
    hits: Sequence[LogHit], observations: Sequence[Observation], events: Sequence[Event], clocks: Clocks | None
) -> tuple[Observation, ...]:
    """What the lines that say that Setup's asking failed tell beside the timeline, and beside the answers of now."""
    stamps = (hit.time for hit in hits if isinstance(hit.row, Signature) and fnmatchcase(hit.row.id, _ASKED))
    told = (boot_order(stamps, events, clocks), asked_again(hits, observations))
    return tuple(observation for observation in told if observation is not None)


def _from_hit(hit: LogHit, row: Signature) -> _Cause:
    return _cause(row, hit.facts, (hit.evidence,))


def _from_observation(pair: Related, events: Sequence[Event], signatures: SignatureSet) -> Iterator[_Cause]:
    rows = [row for row in signatures.signatures if row.when.match_observation(pair.seen)]
    evidence = _evidence(pair.made)
    if not rows and pair.seen.outcome in _STATUS_OF and pair.seen.probe not in _AUXILIARY:
        yield _unrecognised(pair.seen, evidence)
    for row in rows:
        cause = _cause(
            row, pair.seen.facts, (evidence, *map(_evidence, pair.beside), *_timeline(pair.seen, row.stage, events))
        )
        yield replace(cause, status=Status.WARNING) if pair.seen.facts.get("answers_elsewhere") else cause


def _evidence(observation: Observation) -> Evidence:
    return Evidence(describe(observation)[:MOST_TEXT], probe=observation.probe, target=observation.target)


def _timeline(observation: Observation, stage: Stage, events: Sequence[Event]) -> tuple[Evidence, ...]:
    if stage not in (Stage.LINK, Stage.ADDRESS):
        return ()
    mine = sorted((e for e in events if e.adapter == observation.target), key=lambda e: e.at_s)
    return tuple(
        Evidence(f"{describe_event(e)} at {e.at_s:.1f} s", probe="timeline", target=observation.target)
        for e in mine[:_MOST_EVENTS]
    )


def _cause(row: Signature, facts: Mapping[str, FactValue], evidence: tuple[Evidence, ...]) -> _Cause:
    finding = Finding(row.id, fill(row.title, facts), row.owner, fill(row.advice, facts), row.confidence, evidence)
    return _Cause(finding, row.status, row.stage, row.explains)


def _unrecognised(observation: Observation, evidence: Evidence) -> _Cause:
    """An answer that is not good and that no row knows is a finding all the same."""
    about = f" about {observation.target}" if observation.target else ""
    title = f"Probe {observation.probe} answered {observation.reason}{about}"
    if observation.outcome is Outcome.CRASHED:
        title = f"Probe {observation.probe} crashed; its question is not answered"
    finding = Finding(f"{observation.probe}-{observation.reason}", title, Owner.UNKNOWN, _ASK, 0.3, (evidence,))
    return _Cause(finding, _STATUS_OF[observation.outcome], Stage.LOG)


def fill(template: Template, facts: Mapping[str, FactValue]) -> str:
    """A sentence with its $names filled in; what is not known says so."""
    known = {name: value_text(value) for name, value in facts.items()}
    missing = dict.fromkeys(template.get_identifiers(), "(not known)")
    return template.substitute(missing | known)


def _merged(causes: Iterable[_Cause]) -> list[_Cause]:
    """One cause an id, with all its evidence, in the words of the one that ranks first."""
    groups: dict[str, list[_Cause]] = {}
    for cause in causes:
        groups.setdefault(cause.finding.id, []).append(cause)
    return [_with_evidence_of(min(group, key=lambda c: c.rank), group) for group in groups.values()]


def _joined(causes: list[_Cause]) -> list[_Cause]:
    """What another cause explains becomes evidence for that one; the rest in order of rank."""
    groups: dict[str, list[_Cause]] = {}
    for cause in causes:
        groups.setdefault(_root(cause, causes).finding.id, []).append(cause)
    by_id = {cause.finding.id: cause for cause in causes}
    roots = [_strengthened(_with_evidence_of(by_id[name], group), group) for name, group in groups.items()]
    return sorted(roots, key=lambda c: c.rank)


def _root(cause: _Cause, causes: list[_Cause]) -> _Cause:
    seen = {cause.finding.id}
    while behind := [c for c in causes if c.explains_finding(cause.finding.id) and c.finding.id not in seen]:
        cause = min(behind, key=lambda c: c.rank)
        seen.add(cause.finding.id)
    return cause


def _with_evidence_of(cause: _Cause, group: list[_Cause]) -> _Cause:
    evidence = dict.fromkeys(e for c in (cause, *group) for e in c.finding.evidence)
    return replace(cause, finding=replace(cause.finding, evidence=tuple(evidence)[:MOST_EVIDENCE]))


def _strengthened(cause: _Cause, group: list[_Cause]) -> _Cause:
    """A cause is as grave as what it explains, and surer when the log and the probes agree."""
    status = max((c.status for c in group), key=_SEVERITY.__getitem__)
    confidence = cause.finding.confidence
    for other in group:
        if other.stage is Stage.LOG and other.finding.id != cause.finding.id:
            confidence += (1 - confidence) * other.finding.confidence / 2
    return replace(
        cause, status=status, finding=replace(cause.finding, confidence=round(min(confidence, _NEVER_CERTAIN), 3))
    )


def _doubted(cause: _Cause, observations: Sequence[Observation]) -> _Cause:
    open_now = any(o.probe == "wds-rpc" and o.reason is Reason.ANSWERED for o in observations)
    if cause.stage is not Stage.LOG or not open_now:
        return cause
    return replace(cause, finding=replace(cause.finding, confidence=round(cause.finding.confidence * _OPEN_NOW, 3)))


def _ruled_out(
    related: Sequence[Related], hits: Sequence[LogHit], signatures: SignatureSet, suspected: set[str]
) -> tuple[RuledOut, ...]:
    found: dict[str, RuledOut] = {}
    measured = ((row, p.seen.facts) for row in signatures.exclusions for p in related if _excludes(row, p.seen))
    read = ((hit.row, hit.facts) for hit in hits if isinstance(hit.row, Exclusion))
    for row, facts in itertools.chain(measured, read):
        if row.id not in suspected:
            found.setdefault(row.id, RuledOut(row.id, fill(row.title, facts), fill(row.because, facts)))
    return tuple(found.values())


def _excludes(row: Exclusion, observation: Observation) -> bool:
    return row.when.match_observation(observation)


def _verdict(
    causes: Sequence[_Cause],
    observations: Sequence[Observation],
    ruled_out: tuple[RuledOut, ...],
    signatures: SignatureSet,
) -> Verdict:
    if not causes:
        status, title = _without_findings(observations)
        return Verdict(status, title, ruled_out=ruled_out, signatures_sha256=signatures.sha256)
    leading = causes[0].finding
    return Verdict(
        status=causes[0].status,
        title=leading.title,
        owner=leading.owner,
        advice=leading.advice,
        finding_id=leading.id,
        confidence=leading.confidence,
        ruled_out=ruled_out,
        signatures_sha256=signatures.sha256,
    )


def _without_findings(observations: Sequence[Observation]) -> tuple[Status, str]:
    good = [o for o in observations if o.outcome is Outcome.OK and o.probe not in _AUXILIARY]
    measured = sorted({o.probe for o in good if o.reason is not Reason.NOT_KNOWN})
    if not measured:
        return Status.UNKNOWN, "Nothing was measured, so nothing can be said"
    if "wds-rpc" in measured:
        return Status.HEALTHY, "The WDS server answers this machine; nothing wrong was found"
    return Status.HEALTHY, f"Nothing wrong was found by {', '.join(measured)}; the WDS server was not asked"
