"""How is a pattern said: to a person in one sentence, to a program in JSON?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pe_collector.statistics import wilson_interval

if TYPE_CHECKING:
    from pe_collector.candidates import Boot
    from pe_collector.patterns import Pattern

# `{port}` is the port of the target; a signature without a row is said by its name.
_IN_WORDS = {
    "wds-rpc-filtered": "TCP {port} filtered",
    "wds-rpc-refused": "TCP {port} refused",
    "endpoint-mapper-filtered": "TCP {port} filtered",
    "endpoint-mapper-refused": "TCP {port} refused",
}


def pattern_sentence(pattern: Pattern) -> str:
    """For example `since 14:05 UTC, 10.12.0.0/20 -> WDS01: TCP 5040 filtered, 87 of 91 boots, 2 of 4,100 elsewhere`."""
    counts = pattern.counts
    inside = f"{counts.failed:,} of {counts.boots:,} boots"
    elsewhere = f"{counts.failed_elsewhere:,} of {counts.boots_elsewhere:,} elsewhere"
    when = _when(pattern)
    return f"{when}, {_title(pattern)}, {inside}, {elsewhere}" if when else f"{_title(pattern)}, {inside}, {elsewhere}"


def pattern_to_json(pattern: Pattern) -> dict[str, object]:
    """The form that `pe-collector patterns --format json` prints; times are ISO 8601 in UTC."""
    counts = pattern.counts
    low, high = wilson_interval(counts.failed, counts.boots)
    return {
        "id": pattern.id,
        "title": _title(pattern),
        "sentence": pattern_sentence(pattern),
        "signature": list(pattern.signature),
        "conditions": dict(pattern.conditions),
        "target": pattern.target,
        "onset": _iso(pattern.onset_s),
        "ended": _iso(pattern.ended_s),
        "failed": counts.failed,
        "boots": counts.boots,
        "failed_elsewhere": counts.failed_elsewhere,
        "boots_elsewhere": counts.boots_elsewhere,
        "rate_low": low,
        "rate_high": high,
        "score": pattern.score,
        "p_value": pattern.p_value,
        "machines": list(pattern.machines),
        "same_boots": dict(pattern.same_boots),
        "evidence": list(_evidence(pattern)),
    }


def host_of(target: str) -> str:
    """The host in `10.10.9.20:5040`, `[fd10::20]:5040` or a bare address or name."""
    return _split(target)[0]


def _split(target: str) -> tuple[str, str]:
    if target.startswith("["):
        host, _, port = target[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = target.partition(":")
    return (target, "") if ":" in port else (host, port)


def _title(pattern: Pattern) -> str:
    return f"{_where(pattern)}: {_what(pattern)}"


def _where(pattern: Pattern) -> str:
    others = [f"{name} {value}" for name, value in pattern.conditions.items() if name not in ("prefix", "server")]
    place = ", ".join([pattern.conditions[k] for k in ("prefix",) if k in pattern.conditions] + others)
    server = pattern.conditions.get("server", "")
    return " -> ".join(part for part in (place, server) if part)


def _what(pattern: Pattern) -> str:
    signature = pattern.signature[0]
    port = _split(pattern.target)[1]
    words = _IN_WORDS.get(signature, signature)
    return words.format(port=port) if port else signature


def _when(pattern: Pattern) -> str:
    """Clock times alone while the whole period lies on one day."""
    last_s = pattern.ended_s if pattern.ended_s is not None else pattern.last_failed.at_s
    first_s = pattern.onset_s if pattern.onset_s is not None else pattern.first_failed.at_s
    style = "%H:%M" if _utc(first_s).date() == _utc(last_s).date() else "%Y-%m-%d %H:%M"
    start, end = (_utc(at_s).strftime(style) for at_s in (first_s, last_s))
    if pattern.ended_s is not None:
        return f"from {start} to {end} UTC" if pattern.onset_s is not None else f"until {end} UTC"
    return f"since {start} UTC" if pattern.onset_s is not None else ""


def _evidence(pattern: Pattern) -> Iterator[dict[str, object]]:
    """The boots that show the pattern and where it begins."""
    if pattern.last_healthy is not None:
        yield _boot("last healthy boot before it", pattern.last_healthy)
    yield _boot("first failed boot", pattern.first_failed)
    yield _boot("latest failed boot", pattern.last_failed)


def _boot(text: str, boot: Boot) -> dict[str, object]:
    return {
        "text": text,
        "report_id": boot.report_id,
        "machine_id": boot.machine_id,
        "address": boot.address,
        "at": _iso(boot.at_s),
    }


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _iso(at_s: float | None) -> str | None:
    return None if at_s is None else _utc(at_s).strftime("%Y-%m-%dT%H:%M:%SZ")
