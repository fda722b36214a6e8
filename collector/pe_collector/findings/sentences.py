"""How is a pattern said to a person: in one sentence that a network team accepts in a ticket?"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from string import Template

from pe_collector.findings.pattern import Pattern
from pe_collector.findings.targets import split


@functools.cache
def words() -> Mapping[str, Template]:
    """Signature -> what it is called: the rows of words.toml."""
    text = resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8")
    return {name: Template(row) for name, row in tomllib.loads(text)["words"].items()}


def pattern_sentence(pattern: Pattern) -> str:
    """For example `since 14:05 UTC, 10.12.0.0/20 -> WDS01: TCP 5040 filtered, 87 of 91 boots, 2 of 4,100 elsewhere`."""
    counts = pattern.counts
    inside = f"{counts.failed:,} of {counts.boots:,} boots"
    other = "with the other" if pattern.said else "elsewhere"
    elsewhere = f"{counts.failed_elsewhere:,} of {counts.boots_elsewhere:,} {other}"
    return ", ".join(part for part in (when(pattern), title(pattern), inside, elsewhere) if part)


def title(pattern: Pattern) -> str:
    """Where and what, without time and counts."""
    if pattern.said:
        return f"{pattern.said}: {what(pattern)}"
    where = _where(pattern.conditions)
    return f"{where}: {what(pattern)}" if where else what(pattern)


def what(pattern: Pattern) -> str:
    """What goes wrong."""
    signature = pattern.signature[0]
    port = split(pattern.target)[1]
    row = words().get(signature)
    if row is None or ("$port" in row.template and not port):
        return signature
    return row.safe_substitute(port=port)


def when(pattern: Pattern) -> str:
    """Since when, or from when to when; clock times alone while the whole period lies on one day."""
    last_s = pattern.ended_s if pattern.ended_s is not None else pattern.failed[-1].at_s
    first_s = pattern.onset_s if pattern.onset_s is not None else pattern.failed[0].at_s
    style = "%H:%M" if _utc(first_s).date() == _utc(last_s).date() else "%Y-%m-%d %H:%M"
    start, end = (_utc(at_s).strftime(style) for at_s in (first_s, last_s))
    if pattern.ended_s is not None:
        return f"from {start} to {end} UTC" if pattern.onset_s is not None else f"until {end} UTC"
    return f"since {start} UTC" if pattern.onset_s is not None else ""


def iso(at_s: float | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    return None if at_s is None else _utc(at_s).strftime("%Y-%m-%dT%H:%M:%SZ")


def _where(conditions: Mapping[str, str]) -> str:
    others = [f"{name} {value}" for name, value in conditions.items() if name not in ("prefix", "server")]
    place = ", ".join([conditions[k] for k in ("prefix",) if k in conditions] + others)
    server = conditions.get("server", "")
    return " -> ".join(part for part in (place, server) if part)


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
