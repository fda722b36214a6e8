"""Does the same machine fail with the one and not with the other? Two images, servers or ports.

What differs between machines (model, place, cable) cannot mislead here: only machines that tried both count.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from pe_collector.engine.table import HEALTHY, MISSING, Flags, Table


@dataclass(frozen=True, slots=True)
class Pairing:
    """Machines by what they did with both values.

    Attributes:
        worse: value that fails.
        better: value that works for the same machines.
        only_worse: machines that fail with the worse one alone.
        only_better: machines that fail with the better one alone.
        both: machines that fail with both.
        neither: machines that fail with neither.
        p_value: exact test of McNemar, two-sided, not corrected.
    """

    attribute: str
    worse: str
    better: str
    only_worse: int
    only_better: int
    both: int
    neither: int
    p_value: float

    @property
    def sentence(self) -> str:
        """For a ticket."""
        of = self.only_worse + self.only_better
        return (
            f"{self.attribute} {self.worse} fails and {self.better} works on {self.only_worse} "
            f"of the {of} machines that fail with just one of the two"
        )


def compare(table: Table, attribute: str, one: str, other: str) -> Pairing | None:
    """The two values on machines that tried both; None when no machine did.

    A machine fails with a value when most of its boots with it fail.
    """
    column = table.columns[attribute]
    if one not in column.values or other not in column.values:
        return None
    machines = int(table.machines.max(initial=MISSING)) + 2
    tried = [_failing(table, column.codes == column.values.index(value), machines) for value in (one, other)]
    shared = tried[0][0] & tried[1][0]
    if not shared.any():
        return None
    first, second = (int((mine & ~theirs & shared).sum()) for mine, theirs in _both_ways(tried[0][1], tried[1][1]))
    worse, better = (one, other) if first >= second else (other, one)
    more, fewer = max(first, second), min(first, second)
    both = int((tried[0][1] & tried[1][1] & shared).sum())
    neither = int(shared.sum()) - first - second - both
    return Pairing(attribute, worse, better, more, fewer, both, neither, mcnemar(more, fewer))


def mcnemar(one: int, other: int) -> float:
    """Chance of so uneven a split of the machines that fail with just one, were both values alike (two-sided)."""
    total = one + other
    tail = sum(comb(total, k) for k in range(min(one, other) + 1))
    return min(1.0, 2.0 * tail / 2.0**total)


def _both_ways(one: Flags, other: Flags) -> tuple[tuple[Flags, Flags], tuple[Flags, Flags]]:
    return (one, other), (other, one)


def _failing(table: Table, rows: Flags, machines: int) -> tuple[Flags, Flags]:
    """By machine, whether it has boots among these rows, and whether most of them fail."""
    own = table.machines[rows] + 1
    boots = np.bincount(own, minlength=machines)
    failed = np.bincount(own, weights=table.outcomes[rows] != HEALTHY, minlength=machines)
    return boots > 0, 2 * failed > boots
