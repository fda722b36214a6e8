"""What do the failed boots share that is not the cause? Boots with it elsewhere do not fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pe_collector.engine.explain import Cause
from pe_collector.findings.pattern import RuledOut
from pe_collector.findings.rows import Ground

# Share of the failed boots that have the value, and most that may fail elsewhere with it, against the rate inside.
_SHARED = 0.6
_FAR_LESS = 0.2
_FEWEST = 3
_MOST = 6


def ruled_out(ground: Ground, cause: Cause, failed: frozenset[int]) -> tuple[RuledOut, ...]:
    """Values that most of the failed boots share and that hardly fail elsewhere, the best tried first."""
    doubtful = {*cause.conditions, *(name for other in cause.alternatives for name in other.conditions)}
    rate = cause.failed / max(1, cause.boots)
    rows = (_counted(ground, name, value, failed) for name, value in _shared(ground, failed) if name not in doubtful)
    clear = [row for row in rows if row.boots_elsewhere >= _FEWEST and _rate(row) <= _FAR_LESS * rate]
    return tuple(sorted(clear, key=lambda row: (-row.boots_elsewhere, row.attribute))[:_MOST])


def _shared(ground: Ground, failed: frozenset[int]) -> Iterable[tuple[str, str]]:
    counted = Counter(pair for row in failed for pair in ground.boots[row].attributes.items() if pair[1])
    names = ground.table.columns.keys()
    return [pair for pair, count in sorted(counted.items()) if pair[0] in names and count >= _SHARED * len(failed)]


def _counted(ground: Ground, name: str, value: str, failed: frozenset[int]) -> RuledOut:
    """Boots with the value beside those of the pattern that were well, or failed the same way."""
    signatures = {ground.signatures[row] for row in failed}
    beside = [
        ground.signatures[row]
        for row, boot in enumerate(ground.boots)
        if row not in failed and boot.attributes.get(name) == value
    ]
    same = sum(signature in signatures for signature in beside)
    return RuledOut(name, value, same, same + beside.count(""))


def _rate(row: RuledOut) -> float:
    return row.failed_elsewhere / max(1, row.boots_elsewhere)
