"""What do other programs read? JSON with stable names, ASCII only; bytes as hexadecimal digits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from pe_agent.model import Event, Evidence, Finding, Observation, Opening, Report, RuledOut, Verdict, receipt_code
from pe_agent.panther import LogRecord


def render_json(report: Report, delivery: str) -> str:
    """The whole report as one object."""
    verdict = report.verdict
    document = {
        **_opening(report.opening),
        "timeline": [_event(event) for event in report.timeline],
        "observations": [observation_object(o) for o in report.observations],
        "findings": [finding_object(f) for f in report.findings],
        "ruled_out": [ruled_out_object(r) for r in verdict.ruled_out] if verdict else [],
        "verdict": verdict and _verdict(verdict),
        "delivery": delivery or None,
    }
    return json.dumps(document, indent=2)


def render_jsonl(report: Report, delivery: str) -> str:
    """The same, one line each; `record` says what a line is."""
    lines: list[dict[str, Any]] = [{"record": "opening", **_opening(report.opening)}]
    lines += [{"record": "event", **_event(event)} for event in report.timeline]
    lines += [{"record": "observation", **observation_object(o)} for o in report.observations]
    lines += [{"record": "finding", **finding_object(f)} for f in report.findings]
    verdict = report.verdict
    if verdict is not None:
        lines += [{"record": "ruled_out", **ruled_out_object(r)} for r in verdict.ruled_out]
        lines.append({"record": "verdict", **_verdict(verdict)})
    lines.append({"record": "delivery", "delivery": delivery or None})
    return "\n".join(json.dumps(line) for line in lines)


def render_observations_json(observations: Iterable[Observation]) -> str:
    """What `pe-agent probe` prints."""
    return json.dumps({"observations": [observation_object(o) for o in observations]}, indent=2)


def render_record(record: LogRecord, file: str = "") -> str:
    """A log record as one line; columns the line does not have, and a file that is clear, are absent."""
    columns = {
        "file": file,
        "time": record.time,
        "level": record.level,
        "component": record.component,
        "code": None if record.code is None else f"0x{record.code:08x}",
    }
    present = {name: value for name, value in columns.items() if value}
    return json.dumps({"line": record.line, **present, "text": record.text})


def observation_object(observation: Observation) -> dict[str, Any]:
    """An observation; `started_at_s` is seconds since the machine booted."""
    return {
        "probe": observation.probe,
        "target": observation.target,
        "outcome": observation.outcome,
        "reason": observation.reason,
        "started_at_s": observation.started_at_s,
        "elapsed_s": observation.elapsed_s,
        "facts": dict(observation.facts),
    }


def finding_object(finding: Finding) -> dict[str, Any]:
    """A finding with its evidence; of each piece of evidence only what it has."""
    return {
        "id": finding.id,
        "title": finding.title,
        "owner": finding.owner,
        "advice": finding.advice,
        "confidence": finding.confidence,
        "evidence": [_evidence(e) for e in finding.evidence],
    }


def ruled_out_object(ruled_out: RuledOut) -> dict[str, Any]:
    """A cause that is excluded, and why."""
    return {"id": ruled_out.id, "title": ruled_out.title, "because": ruled_out.because}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    names = ("file", "line", "text") if evidence.file else ("probe", "target", "text")
    return {name: getattr(evidence, name) for name in names}


def _event(event: Event) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in fields(event)}


def _opening(opening: Opening) -> dict[str, Any]:
    return {
        "report_id": opening.report_id.hex(),
        "code": receipt_code(opening.report_id),
        "agent_version": opening.agent_version,
        "trigger": opening.trigger,
        "identity": _flat(opening.identity),
        "boot": {**_flat(opening.boot), "began": _flat(opening.boot.began)},
    }


def _flat(value: Any) -> dict[str, Any]:
    plain = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: list(inner) if isinstance(inner, tuple) else inner for name, inner in plain.items()}


def _verdict(verdict: Verdict) -> Mapping[str, Any]:
    return {
        "status": verdict.status,
        "title": verdict.title,
        "owner": verdict.owner,
        "advice": verdict.advice,
        "finding_id": verdict.finding_id,
        "confidence": verdict.confidence,
        "finished_at_s": verdict.finished_at_s,
        "signatures_sha256": verdict.signatures_sha256.hex(),
    }
