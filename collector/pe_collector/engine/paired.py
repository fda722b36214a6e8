"""Does the same machine fail with the one and not with the other? Two images, servers or ports.

What differs between machines (model, place, cable) cannot mislead here: only machines that tried both count.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, exp

import numpy as np
import numpy.typing as npt

from pe_collector.engine.table import HEALTHY, MISSING, Flags, Reals, Table
from pe_collector.engine.units import retries
from pe_collector.statistics import log_choose

_Numbers = npt.NDArray[np.int64]

# What is less sure than this is told nowhere as sure, so the second test is spared.
_CLEAR = 0.05


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
        p_value: exact test of McNemar, where that is clear the larger of it and `by_boots`; two-sided, not corrected.
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

    A machine fails with a value when most of its boots with it fail, retries with the same value left out.
    """
    column = table.columns[attribute]
    if one not in column.values or other not in column.values:
        return None
    machines = int(table.machines.max(initial=MISSING)) + 2
    first, second = (_tried(table, column.codes == column.values.index(value), machines) for value in (one, other))
    shared = (first.boots > 0) & (second.boots > 0)
    if not shared.any():
        return None
    first, second = first.of(shared), second.of(shared)
    if int((first.mostly & ~second.mostly).sum()) < int((second.mostly & ~first.mostly).sum()):
        one, other, first, second = other, one, second, first
    more, fewer = int((first.mostly & ~second.mostly).sum()), int((second.mostly & ~first.mostly).sum())
    both = int((first.mostly & second.mostly).sum())
    neither = int(shared.sum()) - more - fewer - both
    chance = mcnemar(more, fewer)
    if chance < _CLEAR:
        chance = max(chance, by_boots(first, second))
    return Pairing(attribute, one, other, more, fewer, both, neither, chance)


def mcnemar(one: int, other: int) -> float:
    """Chance of so uneven a split of the machines that fail with just one, were both values alike (two-sided)."""
    total = one + other
    tail = sum(comb(total, k) for k in range(min(one, other) + 1))
    return min(1.0, 2.0 * tail / 2.0**total)


@dataclass(frozen=True, slots=True)
class Tried:
    """By machine: boots with one value, and how many of them failed."""

    boots: _Numbers
    failed: _Numbers

    @property
    def mostly(self) -> Flags:
        """Whether it failed most of the time."""
        mostly: Flags = 2 * self.failed > self.boots
        return mostly

    def of(self, machines: Flags) -> Tried:
        """Those of some machines."""
        return Tried(self.boots[machines], self.failed[machines])


def by_boots(worse: Tried, better: Tried) -> float:
    """Chance that so many more machines fail with the worse one alone, were the failures of each any of its boots.

    McNemar's test takes all boots of a machine with a value for one. A machine that tried one value once and the other
    often then fails with the first by chance far more easily than with the second.
    """
    observed = int(worse.mostly.sum()) - int(better.mostly.sum())
    failed, boots = worse.failed + better.failed, worse.boots + better.boots
    mixed = (failed > 0) & (failed < boots)
    kinds, times = np.unique(np.stack((worse.boots, better.boots, failed))[:, mixed], axis=1, return_counts=True)
    chances = np.ones(1)
    for kind, count in zip(kinds.T.tolist(), times.tolist(), strict=True):
        chances = np.convolve(chances, _times(_step(*kind), count))
    middle = len(chances) // 2
    return min(1.0, 2.0 * float(chances[max(0, middle + observed) :].sum()))


def _step(worse: int, better: int, failed: int) -> Reals:
    """Chances that a machine fails with the better one alone, with both or neither, with the worse one alone."""
    whole = log_choose(worse + better, failed)
    chances = np.zeros(3)
    for k in range(max(0, failed - better), min(worse, failed) + 1):
        place = 1 + int(2 * k > worse) - int(2 * (failed - k) > better)
        chances[place] += exp(log_choose(worse, k) + log_choose(better, failed - k) - whole)
    return chances


def _times(step: Reals, count: int) -> Reals:
    """Chances of the sum of so many steps."""
    total = np.ones(1)
    while count:
        if count % 2:
            total = np.convolve(total, step)
        step = np.convolve(step, step)
        count //= 2
    return total


def _tried(table: Table, rows: Flags, machines: int) -> Tried:
    counted = rows & ~retries(table, among=rows)
    own = table.machines[counted] + 1
    failed = own[table.outcomes[counted] != HEALTHY]
    return Tried(np.bincount(own, minlength=machines), np.bincount(failed, minlength=machines))
