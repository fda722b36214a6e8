"""How is a pattern said to a program? The rows of `pe-collector patterns --format json`; additions only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pe_collector.boots import Boot
from pe_collector.findings.changes import Change, near_onset
from pe_collector.findings.pairs import paired_with
from pe_collector.findings.pattern import Considered, Pattern
from pe_collector.findings.rows import Seen
from pe_collector.findings.sentences import iso, pattern_sentence, title
from pe_collector.findings.slow import SLOW, usual_wait_s
from pe_collector.statistics import exact_interval

_SLOW = frozenset({SLOW, "late-address"})


def document_of(
    pattern: Pattern, seen: Seen | None = None, changes: Sequence[Change] = (), *, whole_since_s: float = 0.0
) -> dict[str, Any]:
    """One pattern; times are ISO 8601 in UTC, intervals the exact ones of 95 %.

    Of reports before `whole_since_s` only a sample was looked at.
    """
    counts = pattern.counts
    inside = exact_interval(counts.failed, counts.boots)
    elsewhere = exact_interval(counts.failed_elsewhere, counts.boots_elsewhere)
    return {
        "id": pattern.id,
        "kind": pattern.kind,
        "title": title(pattern),
        "sentence": pattern_sentence(pattern),
        "signature": list(pattern.signature),
        "conditions": dict(pattern.conditions),
        "target": pattern.target,
        "onset": iso(pattern.onset_s),
        "onset_after": iso(pattern.onset_after_s),
        "ended": iso(pattern.ended_s),
        "failed": counts.failed,
        "boots": counts.boots,
        "failed_elsewhere": counts.failed_elsewhere,
        "boots_elsewhere": counts.boots_elsewhere,
        "rate_low": inside[0],
        "rate_high": inside[1],
        "interval": {"inside": list(inside), "elsewhere": list(elsewhere)},
        "score": pattern.score,
        "p_value": pattern.p_value,
        "looked_at": pattern.looked_at,
        "sampled_before": iso(whole_since_s or None),
        "machines": list(pattern.machines),
        "alternatives": [{"conditions": dict(a.conditions), "decided_by": a.decided_by} for a in pattern.alternatives],
        "ruled_out": [{**asdict(row), "because": row.because} for row in pattern.ruled_out],
        "considered": [*map(_considered, pattern.considered)],
        "paired": paired_with(seen, pattern) if seen and not pattern.said else [],
        "changes": near_onset(pattern, changes),
        "wait_s": _waits(pattern, seen.boots if seen else ()),
        "last_failed_s": pattern.failed[-1].at_s,
        "evidence": list(_evidence(pattern)),
    }


def _considered(row: Considered) -> dict[str, Any]:
    counted = {"conditions": dict(row.conditions), "score": row.score, "failed": row.failed, "boots": row.boots}
    return counted | {"onset": iso(row.onset_s), "ended": iso(row.ended_s)}


def _waits(pattern: Pattern, boots: Sequence[Boot]) -> Mapping[str, float | None] | None:
    """Medians of the seconds from link to address, where the pattern is about these."""
    if not _SLOW & set(pattern.signature):
        return None
    inside = {boot.report_id for boot in pattern.failed}
    others = [boot for boot in boots if boot.report_id not in inside]
    return {"inside": usual_wait_s(pattern.failed), "elsewhere": usual_wait_s(others)}


def _evidence(pattern: Pattern) -> Iterator[dict[str, Any]]:
    """The boots that show the pattern and where it begins."""
    if pattern.last_healthy is not None:
        yield _boot("last healthy boot before it", pattern.last_healthy)
    yield _boot("first failed boot", pattern.failed[0])
    yield _boot("latest failed boot", pattern.failed[-1])


def _boot(text: str, boot: Boot) -> dict[str, Any]:
    return {
        "text": text,
        "report_id": boot.report_id,
        "machine_id": boot.machine_id,
        "address": boot.address,
        "at": iso(boot.at_s),
    }
