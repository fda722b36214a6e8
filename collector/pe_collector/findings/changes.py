"""What did somebody change near the time when a pattern began, and how surprising is it that it is so near?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from math import expm1
from typing import Any

from pe_agent.errors import UsageError

from pe_collector.connection import Connection
from pe_collector.findings.pattern import Pattern
from pe_collector.prefixes import holds_address, parse_prefix

# How far before an onset a change is still shown, and how far after it: clocks and memories are not exact.
NEAR_S = 6 * 3600.0
AFTER_S = 900.0
_DAY_S = 86_400.0
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the ledger; `at_s` is Unix seconds, `subnet` and `server` are empty where it is about everything."""

    at_s: float
    text: str
    subnet: str = ""
    server: str = ""
    who: str = ""


def add_change(connection: Connection, change: Change, now_s: float) -> None:
    """Write it down; the same entry twice is one. Inside the caller's transaction, where there is one.

    Raises:
        UsageError: it has no text, or its subnet is none.
    """
    if not change.text.strip():
        raise UsageError("a change needs a text, for example: changes add 'new ACL on core switch'")
    if change.subnet and parse_prefix(change.subnet) is None:
        raise UsageError(f"{change.subnet!r} is no subnet; for example 10.10.1.0/24")
    at_s, text, *rest = astuple(change)
    connection.execute(
        "INSERT INTO change VALUES (?,?,?,?,?,?) ON CONFLICT (at_s, text, subnet, server) DO UPDATE SET "
        "who=excluded.who, noted_at=excluded.noted_at",
        (at_s, text[:_MOST_TEXT], *rest, now_s),
    )


def list_changes(connection: Connection, since_s: float = 0.0) -> list[dict[str, Any]]:
    """The ledger, the latest first; times are Unix seconds."""
    rows = connection.execute(
        "SELECT at_s, text, subnet, server, who FROM change WHERE at_s>=? ORDER BY at_s DESC, text", (since_s,)
    )
    return [dict(row) for row in rows]


def read_changes(connection: Connection) -> list[Change]:
    """The ledger in order of time."""
    return [Change(**row) for row in reversed(list_changes(connection))]


def near_onset(pattern: Pattern, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Entries that concern the pattern and lie near its onset, the least likely chance first.

    `by_chance` is the probability that at least one entry of that kind falls so near the onset, were the entries
    spread evenly over the time that the ledger spans.
    """
    if pattern.onset_s is None:
        return []
    onset_s = pattern.onset_s
    concerned = [change for change in changes if _concerns(change, pattern)]
    found = [
        {**_plain(change), "before_onset_s": onset_s - change.at_s, "by_chance": chance_of(change, pattern, concerned)}
        for change in concerned
        if -AFTER_S <= onset_s - change.at_s <= NEAR_S
    ]
    return sorted(found, key=lambda row: (row["by_chance"], -row["at_s"]))


def chance_of(change: Change, pattern: Pattern, others: Iterable[Change]) -> float:
    """Probability of an entry so near by chance, at the rate of these entries (Poisson)."""
    onset_s = pattern.onset_s or 0.0
    times = [other.at_s for other in others]
    span_s = max(_DAY_S, max(*times, onset_s) - min(*times, onset_s)) if times else _DAY_S
    # The fault began somewhere between the last good boot and the first failure.
    unsure_s = onset_s - pattern.onset_after_s if pattern.onset_after_s is not None else 0.0
    near_s = max(abs(onset_s - change.at_s), unsure_s)
    return -expm1(-len(times) / span_s * near_s)


def _plain(change: Change) -> Mapping[str, Any]:
    return {name: getattr(change, name) for name in Change.__slots__}


def _concerns(change: Change, pattern: Pattern) -> bool:
    server = pattern.conditions.get("server", "")
    if change.server and server and change.server.casefold() != server.casefold():
        return False
    addresses = {boot.address for boot in pattern.failed if boot.address}
    return not change.subnet or not addresses or any(holds_address(change.subnet, each) for each in addresses)
