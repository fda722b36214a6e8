"""What do the failed boots share that is not the cause? Boots with it elsewhere do not fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pe_collector.engine.explain import Cause
from pe_collector.engine.table import Places
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

    failed: Places
    reached: Places


def ruled_out(ground: Ground, cause: Cause, failed: Places, beside: Beside) -> tuple[RuledOut, ...]:
    """Values that most of the failed boots share and that hardly fail elsewhere, the best tried first."""
    doubtful = {*cause.conditions, *(name for other in cause.alternatives for name in other.conditions)}
    rate = cause.failed / max(1, cause.boots)
    rows = (_counted(ground, name, code, beside) for name, code in _shared(ground, failed) if name not in doubtful)
    clear = [row for row in rows if row.boots_elsewhere >= _FEWEST and _rate(row) <= _FAR_LESS * rate]
    return tuple(sorted(clear, key=lambda row: (-row.boots_elsewhere, row.attribute))[:_MOST])


def _shared(ground: Ground, failed: Places) -> Iterator[tuple[str, int]]:
    """Attribute and code of each value."""
    for name, column in sorted(ground.table.columns.items()):
        counts = np.bincount(column.codes[failed] + 1, minlength=len(column.values) + 1)[1:]
        yield from ((name, code) for code in np.flatnonzero(counts >= _SHARED * len(failed)).tolist())


def _counted(ground: Ground, name: str, code: int, beside: Beside) -> RuledOut:
    """Of the boots that the counts elsewhere stand for, those with the value."""
    column = ground.table.columns[name]
    failed, boots = (int(np.count_nonzero(column.codes[rows] == code)) for rows in (beside.failed, beside.reached))
    return RuledOut(name, column.values[code], failed, boots)


def _rate(row: RuledOut) -> float:
    return row.failed_elsewhere / max(1, row.boots_elsewhere)
