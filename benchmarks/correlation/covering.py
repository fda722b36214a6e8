"""One method around others: name the best conjunction, set aside what it covers, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log

import numpy as np
from pe_collector.engine.statistics import fisher

from benchmarks.correlation.faults import Flags
from benchmarks.correlation.frame import GROUPS, Frame, frame_of
from benchmarks.correlation.run import Run
from benchmarks.correlation.scoring import Answer

Items = Mapping[str, int]
Best = Callable[[Frame, Flags, Flags], Items | None]
_MOST_ROUNDS = 5
_ALPHA = 1e-6


def covering(best: Best) -> Callable[[Run], list[Answer]]:
    """Sequential cover around a method that names one conjunction at a time."""

    def answers(run: Run) -> list[Answer]:
        frame = frame_of(run)
        return [Answer(frame.target(items), group) for group in GROUPS for items in _cover(frame, group, best)]

    return answers


def _cover(frame: Frame, group: frozenset[str], best: Best) -> list[Items]:
    failed, reached = frame.group(group)
    found: list[Items] = []
    for _ in range(_MOST_ROUNDS):
        if len(np.unique(frame.run.table.machines[frame.rows[failed & reached]])) < 4:
            break
        items = best(frame, failed, reached)
        if not items or not _holds(frame, items, failed, reached):
            break
        found.append(items)
        reached = reached & ~inside(frame, items)
    return found


def inside(frame: Frame, items: Items) -> Flags:
    """Rows that meet all the items."""
    meets = np.ones(len(frame.rows), dtype=np.bool_)
    for name, code in items.items():
        meets &= frame.codes[name] == code
    return meets


def _holds(frame: Frame, items: Items, failed: Flags, reached: Flags) -> bool:
    meets = inside(frame, items) & reached
    table = (int((meets & failed).sum()), int(meets.sum()), int((reached & failed).sum()), int(reached.sum()))
    machines = len(np.unique(frame.run.table.machines[frame.rows[meets & failed]]))
    return machines >= 4 and fisher(*table) < _ALPHA and table[0] > 0.15 * table[1]


def frequent(frame: Frame, rows: Flags, share: float) -> list[tuple[tuple[str, int], Flags]]:
    """Items that this share of the rows meet, and four of them at least."""
    columns = []
    for name, codes in frame.codes.items():
        values, counts = np.unique(codes[rows], return_counts=True)
        for value, count in zip(values, counts, strict=True):
            if value >= 0 and count >= max(4, share * rows.sum()):
                columns.append(((name, int(value)), codes == value))
    return columns


def contrast(frame: Frame, failed: Flags, reached: Flags) -> Items | None:
    """Two levels of contrast sets: a pair counts only if it beats both of its items (STUCCO)."""
    columns = frequent(frame, failed & reached, 0.0)
    worth = [surprise(failed, reached, flags) for _, flags in columns]
    order = np.argsort(worth)[::-1][:40]
    best = {columns[n][0][0]: columns[n][0][1] for n in order[:1]}
    best_worth = worth[order[0]] if len(order) else 0.0
    for n in order:
        for m in order:
            if n < m and columns[n][0][0] != columns[m][0][0]:
                both = surprise(failed, reached, columns[n][1] & columns[m][1])
                if both > best_worth + 3.0:
                    best, best_worth = dict((columns[n][0], columns[m][0])), both
    return best or None


def surprise(failed: Flags, reached: Flags, meets: Flags) -> float:
    """Log likelihood ratio of two rates against one; 0 when the rate inside is the lower."""
    a, b = int((failed & reached & meets).sum()), int((reached & meets).sum())
    c, d = int((failed & reached).sum()), int(reached.sum())
    if not b or b == d or a * d <= b * c:
        return 0.0
    return _fit(a, b) + _fit(c - a, d - b) - _fit(c, d)


def _fit(failed: int, boots: int) -> float:
    return sum(k * log(k / boots) for k in (failed, boots - failed) if k)
