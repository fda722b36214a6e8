"""How is a cause said: to a person in one sentence, to a program in JSON?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pe_collector.engine.explain import Cause
from pe_collector.engine.table import Table

Clock = Callable[[float], object]


def iso(at_s: float) -> str:
    """Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(at_s: float) -> float:
    """Times of a table that knows no date stay what they are."""
    return at_s


def sentence(cause: Cause, clock: Clock = iso) -> str:
    """For example `since 2026-01-05T14:05:00Z, 10.12.0.0/20, server WDS01: wds-rpc-filtered, 87 of 91 boots, ...`."""
    since = f"since {clock(cause.onset_s)}, " if cause.onset_s is not None else ""
    until = f"until {clock(cause.ended_s)}, " if cause.ended_s is not None else ""
    inside = f"{cause.failed:,} of {cause.boots:,} boots"
    return f"{since}{until}{_title(cause)}, {inside}, {cause.failed_elsewhere:,} of {cause.boots_elsewhere:,} elsewhere"


def lines(cause: Cause, clock: Clock = iso) -> list[str]:
    """The sentence with its id, how sure it is, and what else it could be."""
    low, high = (100.0 * rate for rate in (cause.rate_low, cause.rate_high))
    return [
        f"{sentence(cause, clock)}  [{cause.id}]",
        f"    inside {low:.3g} to {high:.3g} % fail (exact 95 % interval); chance of such a table {cause.p_value:.1g}",
        *([f"    well between {clock(cause.paused_s[0])} and {clock(cause.paused_s[1])}"] if cause.paused_s else []),
        *(f"    or: {_words(other.conditions)}; {other.decided_by}" for other in cause.alternatives),
    ]


def as_json(cause: Cause, table: Table, clock: Clock = iso) -> dict[str, object]:
    """The form that `pe-collector correlate --format json` prints."""
    return {
        "id": cause.id,
        "title": _title(cause),
        "sentence": sentence(cause, clock),
        "signature": list(cause.signatures),
        "conditions": dict(cause.conditions),
        "onset": _time(cause.onset_s, clock),
        "onset_after": _time(cause.onset_after_s, clock),
        "ended": _time(cause.ended_s, clock),
        "paused": [clock(at_s) for at_s in cause.paused_s] if cause.paused_s else None,
        "failed": cause.failed,
        "boots": cause.boots,
        "failed_elsewhere": cause.failed_elsewhere,
        "boots_elsewhere": cause.boots_elsewhere,
        "rate_low": cause.rate_low,
        "rate_high": cause.rate_high,
        "rate_low_corrected": cause.corrected_low,
        "rate_high_corrected": cause.corrected_high,
        "score": cause.score,
        "p_value": cause.p_value,
        "looked_at": cause.looked_at,
        "machines": [table.machine_names[machine] for machine in cause.machines],
        "alternatives": [
            {"conditions": dict(other.conditions), "decided_by": other.decided_by} for other in cause.alternatives
        ],
        "evidence": [
            {"row": row, "machine": table.machine_names[table.machines[row]], "at": clock(float(table.at_s[row]))}
            for row in cause.evidence
        ],
    }


def _title(cause: Cause) -> str:
    return f"{_words(cause.conditions)}: {' or '.join(cause.signatures)}"


def _words(conditions: Mapping[str, str]) -> str:
    return ", ".join(value if name == "prefix" else f"{name} {value}" for name, value in conditions.items())


def _time(at_s: float | None, clock: Clock) -> object:
    return None if at_s is None else clock(at_s)
