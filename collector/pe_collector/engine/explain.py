"""What is said of an explanation: counts, exact test, interval, onset, what else it could be and what would decide."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pe_collector.engine.deciding import Deciding, deciding
from pe_collector.engine.greedy import Account, Settings
from pe_collector.engine.ground import PREFIX, PREFIX_COLUMN, Condition
from pe_collector.engine.model import Explanation
from pe_collector.engine.nodes import Node
from pe_collector.engine.pauses import pause
from pe_collector.engine.statistics import corrected, fisher
from pe_collector.engine.table import MISSING, Flags, Places, Table
from pe_collector.statistics import exact_interval

_MOST_EVIDENCE = 3
_DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class Alternative:
    """Other conditions that fit nearly as well, and the boot that would decide between the two."""

    conditions: Mapping[str, str]
    decided_by: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One explanation in the words of the table. Counts are boots, retries left out; times as in the table.

    Attributes:
        onset_s: first failure of the period; None when the boots seen do not go back before it.
        onset_after_s: last boot before it that got that far and did not fail; None when there is none.
        p_value: Fisher's exact test, corrected for all the conditions looked at.
        rate_low: lower end of the exact 95 % interval of the rate inside.
        corrected_low: the same, as wide as the choice among all the conditions looked at asks for.
        evidence: rows of the table, the first ones that show it.
        paused_s: first and last boot of a time in between when boots were well; None when there was none.
    """

    id: str
    signatures: tuple[str, ...]
    conditions: Mapping[str, str]
    onset_s: float | None
    onset_after_s: float | None
    ended_s: float | None
    failed: int
    boots: int
    failed_elsewhere: int
    boots_elsewhere: int
    score: float
    p_value: float
    rate_low: float
    rate_high: float
    corrected_low: float
    corrected_high: float
    looked_at: int
    machines: tuple[int, ...]
    evidence: tuple[int, ...]
    alternatives: tuple[Alternative, ...]
    paused_s: tuple[float, float] | None


def causes(table: Table, settings: Settings | None = None) -> tuple[Cause, ...]:
    """The few causes of the failures in a table, the one worth most first.

    Without boots elsewhere there is nothing that the failed ones differ from, and so no cause.
    """
    account = Account(table, settings or Settings())
    found = (cause_of(account, one) for one in account.explain())
    return tuple(cause for cause in found if cause.boots_elsewhere > 0)


def in_words(account: Account, condition: Condition) -> dict[str, str]:
    """Attribute and value of each item; a prefix first."""
    table = account.ground.table
    words: dict[str, str] = {}
    for item in condition:
        if item.attribute == PREFIX and table.addresses is not None:
            prefix = table.addresses.prefix_of(account.ground.prefixes[item.low, item.high])
            words = {PREFIX: str(prefix), **words}
        else:
            words[_shown(account, item.attribute)] = table.columns[item.attribute].values[item.low]
    return words


def _shown(account: Account, name: str) -> str:
    """A column that is called as the prefix of an address is told apart from it only where there are addresses."""
    return PREFIX if name == PREFIX_COLUMN and account.ground.table.addresses is None else name


def cause_of(account: Account, one: Explanation) -> Cause:
    """What is said of one of the explanations that the account has chosen."""
    ground, verdict = account.ground, one.found.verdict
    table = ground.table
    signatures = tuple(sorted(table.signatures[code] for code in one.signatures))
    failed, reached = _counted(account, one)
    inside = _period(ground.rows_in(one.condition), verdict.start, verdict.end)
    elsewhere = _elsewhere(account, one)
    counts = tuple(_count(account, flags, rows) for rows in (inside, elsewhere) for flags in (failed, reached))
    chance = fisher(counts[0], counts[1], counts[0] + counts[2], counts[1] + counts[3])
    low, high = exact_interval(counts[0], counts[1])
    widest = exact_interval(counts[0], counts[1], 1.0 - _DOUBT / max(1, account.looked_at))
    rows = inside[failed[inside]]
    conditions = in_words(account, one.condition)
    return Cause(
        id=_identifier(conditions, account.settings.stages.kin(frozenset(signatures)) or frozenset(signatures)),
        signatures=signatures,
        conditions=conditions,
        onset_s=float(table.at_s[verdict.start]) if verdict.began else None,
        onset_after_s=_last_good(account, one, reached & ~failed) if verdict.began else None,
        ended_s=float(table.at_s[verdict.end - 1]) if verdict.ended else None,
        failed=counts[0],
        boots=counts[1],
        failed_elsewhere=counts[2],
        boots_elsewhere=counts[3],
        score=one.found.score,
        p_value=corrected(chance, account.looked_at),
        rate_low=low,
        rate_high=high,
        corrected_low=widest[0],
        corrected_high=widest[1],
        looked_at=account.looked_at,
        machines=tuple(int(machine) for machine in np.unique(table.machines[rows])),
        evidence=tuple(int(row) for row in rows[:_MOST_EVIDENCE]),
        alternatives=_alternatives(account, one),
        paused_s=_paused(account, inside[reached[inside]], failed, (counts[2], counts[3])),
    )


def _paused(account: Account, inside: Places, failed: Flags, elsewhere: tuple[int, int]) -> tuple[float, float] | None:
    """`inside` are the rows of its period that got so far; `elsewhere` failures and boots."""
    background = (elsewhere[0] + 0.5) / (elsewhere[1] + 1)
    found = pause(failed[inside], account.ground.counts[inside], background)
    return (_at(account, inside[found[0]]), _at(account, inside[found[1]])) if found is not None else None


def _at(account: Account, row: int) -> float:
    return float(account.ground.table.at_s[row])


def _counted(account: Account, one: Explanation) -> tuple[Flags, Flags]:
    """By row: failed with one of its signatures, and got that far."""
    ground = account.ground
    names = frozenset(ground.table.signatures[code] for code in one.signatures)
    failed = ground.shows(one.signatures) & (ground.weights > 0)
    return failed, failed | ground.passed(Node("", names))


def _elsewhere(account: Account, one: Explanation) -> Places:
    """Rows known not to meet the condition, or outside its period; what other explanations cover is no measure."""
    ground, verdict = account.ground, one.found.verdict
    known = np.zeros(ground.table.size, dtype=np.bool_)
    for item in one.condition:
        codes = ground.codes[item.attribute]
        known |= (codes != MISSING) & ((codes < item.low) | (codes >= item.high))
    inside = ground.rows_in(one.condition)
    known[inside[(inside < verdict.start) | (inside >= verdict.end)]] = True
    for other in account.model.chosen:
        if other.found is not one.found:
            known[_period(ground.rows_in(other.condition), other.found.verdict.start, other.found.verdict.end)] = False
    return np.flatnonzero(known)


def rows_elsewhere(account: Account, one: Explanation) -> tuple[Places, Places]:
    """Rows that `failed_elsewhere` stands for, and those of `boots_elsewhere`; retries are in neither."""
    rows = _elsewhere(account, one)
    failed, reached = _counted(account, one)
    return rows[failed[rows]], rows[reached[rows]]


def _period(rows: Places, start: int, end: int) -> Places:
    return rows[(rows >= start) & (rows < end)]


def _count(account: Account, flags: Flags, rows: Places) -> int:
    """Boots that these rows stand for."""
    return round(float(account.ground.counts[rows[flags[rows]]].sum()))


def _last_good(account: Account, one: Explanation, good: Flags) -> float | None:
    rows = account.ground.rows_in(one.condition)
    before = rows[(rows < one.found.verdict.start) & good[rows]]
    return float(account.ground.table.at_s[before[-1]]) if len(before) else None


def _alternatives(account: Account, one: Explanation) -> tuple[Alternative, ...]:
    verdict = one.found.verdict
    period = np.arange(verdict.start, verdict.end)
    seen = (period, *_counted(account, one))
    return tuple(
        Alternative(
            in_words(account, other.condition),
            _decided_by(
                account, deciding(account.ground, account.settings.priors, (one.condition, other.condition), seen)
            ),
        )
        for other in account.alternatives(one)
    )


def _decided_by(account: Account, awaited: Deciding) -> str:
    """The boots to wait for, and what those that were seen so far say."""
    meets, lacks = (_phrase(in_words(account, part)) for part in (awaited.meets, awaited.lacks))
    if not awaited.boots:
        return f"one boot with {meets}, but not {lacks}, would decide"
    seen = f"{awaited.failed:,} of {awaited.boots:,} so far failed"
    return f"more boots with {meets}, but not {lacks}, would decide: {seen}"


def _phrase(words: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {value}" for name, value in words.items())


def _identifier(conditions: Mapping[str, str], kin: frozenset[str]) -> str:
    """The same while the cause lasts, whichever of its kindred signatures have shown so far."""
    lines: Sequence[str] = [*sorted(kin), *(f"{name}={value}" for name, value in sorted(conditions.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
