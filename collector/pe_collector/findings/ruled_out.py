"""What do the failed boots share that is not the cause? Boots with it elsewhere do not fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pe_collector.engine.explain import Cause
from pe_collector.findings.pattern import RuledOut
from pe_collector.findings.rows import Ground

# Share of the failed boots that have the value, and most that may fail elsewhere with it, against the rate inside.
_SHARED = 0.6
_FAR_LESS = 0.2
_FEWEST = 3
_MOST = 6


@dataclass(frozen=True, slots=True)
class Beside:
    """Rows elsewhere that failed the same way, and all of those that got so far; retries are in neither."""

    failed: frozenset[int]
    reached: frozenset[int]


def ruled_out(ground: Ground, cause: Cause, failed: Collection[int], beside: Beside) -> tuple[RuledOut, ...]:
    """Values that most of the failed boots share and that hardly fail elsewhere, the best tried first."""
    doubtful = {*cause.conditions, *(name for other in cause.alternatives for name in other.conditions)}
    rate = cause.failed / max(1, cause.boots)
    rows = (_counted(ground, name, value, beside) for name, value in _shared(ground, failed) if name not in doubtful)
    clear = [row for row in rows if row.boots_elsewhere >= _FEWEST and _rate(row) <= _FAR_LESS * rate]
    return tuple(sorted(clear, key=lambda row: (-row.boots_elsewhere, row.attribute))[:_MOST])


def _shared(ground: Ground, failed: Collection[int]) -> Iterable[tuple[str, str]]:
    counted = Counter(pair for row in failed for pair in ground.boots[row].attributes.items() if pair[1])
    names = ground.table.columns.keys()
    return [pair for pair, count in sorted(counted.items()) if pair[0] in names and count >= _SHARED * len(failed)]


def _counted(ground: Ground, name: str, value: str, beside: Beside) -> RuledOut:
    """Of the boots that the counts elsewhere stand for, those with the value."""
    failed, boots = (
        sum(ground.boots[row].attributes.get(name) == value for row in rows) for rows in (beside.failed, beside.reached)
    )
    return RuledOut(name, value, failed, boots)


def _rate(row: RuledOut) -> float:
    return row.failed_elsewhere / max(1, row.boots_elsewhere)
