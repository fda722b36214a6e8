"""Which conditions are worth an exact look? A quick estimate for all of them at once, boots counted in slices of time.

All failures are looked at, and of the healthy boots a sample: only the exact look that follows decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from pe_collector.engine.counted import SLICES, Counted, Sample
from pe_collector.engine.ground import PREFIX, Condition, Item
from pe_collector.engine.table import Places, Reals

_QUICK_RATES = np.array([0.2, 0.45, 0.75, 0.97])
_QUICK_MISS = np.log1p(-_QUICK_RATES)
# Of the healthy boots that chance would put inside, at least this share is reckoned with before they are counted.
_LUCKY = 0.1
# Counted at once: bounds the memory.
_MOST_CELLS = 2_000_000
_MOST_KEPT = 1_000_000
_ONSET_COST = log(SLICES)


Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of one node's boots in which further items are looked for: those that meet `base`.

    Attributes:
        base: places of the base's items in the screen.
        failed: failures that meet it; of many a sample.
        late: boots that failed later on and meet it, sampled as the healthy ones are, which are those of the screen.
        scale: how many failures each of them stands for.
    """

    base: Numbers
    failed: Places
    late: Places
    scale: int = 1


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of item `items[n]` in scope `scopes[n]`: its score, and the most it could be were no healthy boot inside."""

    scopes: Places
    items: Places
    scores: Reals
    most: Reals


@dataclass(frozen=True, slots=True)
class Prices:
    """Cost of each scope's condition and of each item, and the score that must be within reach."""

    bases: Reals
    items: Reals
    floor: float


class Screen:
    """Items that enough failures of one node meet, numbered through all attributes."""

    def __init__(self, sample: Sample, failed: Places) -> None:
        self._ground = sample.ground
        self.at_least = sample.at_least
        self.step = sample.step
        self._counted = Counted(sample, failed)
        self.items = self._counted.items
        self.prefixes_from = self._counted.prefixes_from
        place_of = {name: n for n, name in enumerate([*sample.names, PREFIX])}
        self.attribute_of = np.array([place_of[item.attribute] for item in self.items], dtype=np.int64)
        self.redundant = sample.redundant
        self._number = {item: n for n, item in enumerate(self.items)}
        self._healthy: dict[Numbers, Reals] = {}
        self._rows: dict[Numbers, Places] = {(): sample.healthy}
        self._sizes: dict[Numbers, float] = {}
        self._shares: Reals = self._healthy_of(()).sum(axis=1) / max(1.0, self._size_of(()))

    def numbers(self, condition: Condition) -> Numbers | None:
        """The places of its items; None when too few failures meet one of them."""
        places = [self._number.get(item) for item in condition]
        return None if None in places else tuple(sorted(place for place in places if place is not None))

    def scope(self, whole: Scope, base: Numbers) -> Scope:
        """The part of the whole that meets the base."""
        condition = [self.items[n] for n in base]
        failed = self._meeting(whole.failed, condition)
        return Scope(base, failed, self._meeting(whole.late, condition), whole.scale)

    def _meeting(self, rows: Places, condition: Sequence[Item]) -> Places:
        for item in condition:
            codes = self._ground.codes[item.attribute][rows]
            rows = rows[(codes >= item.low) & (codes < item.high)]
        return rows

    def _rows_of(self, base: Numbers) -> Places:
        """Rows of the sample that meet the base."""
        if base not in self._rows:
            self._rows[base] = self._meeting(self._rows_of(base[:-1]), [self.items[base[-1]]])
        return self._rows[base]

    def _size_of(self, base: Numbers) -> float:
        if base not in self._sizes:
            self._sizes[base] = float(self._ground.counts[self._rows_of(base)].sum()) * self.step
        return self._sizes[base]

    def _healthy_of(self, base: Numbers) -> Reals:
        """Healthy boots by item and slice among those that meet the base."""
        if base not in self._healthy:
            if len(self._healthy) * len(self.items) > _MOST_KEPT:
                self._healthy.clear()
            weights = None if self._ground.table.counts is None else self._ground.counts
            healthy = self._counted.counts([self._rows_of(base)], weights)[0]
            self._healthy[base] = (healthy * self.step).astype(np.float32)
        return self._healthy[base]

    def estimate(self, scopes: Sequence[Scope], strength: Reals, background: float, prices: Prices) -> Estimates:
        """Every item that enough of a scope's failures meet and that could be worth its price, for each scope.

        Args:
            scopes: where to look.
            strength: by row of the table, 1 for a failure that nothing explains, down to 0.
            background: chance of a failure without a fault.
            prices: what must be paid.
        """
        gain = np.log1p(_QUICK_RATES * (1.0 - background) / background)
        if not scopes:
            nowhere, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
            return Estimates(nowhere, nowhere, nothing, nothing)
        at_once = max(1, _MOST_CELLS // self._counted.cells)
        cuts = [slice(n, n + at_once) for n in range(0, len(scopes), at_once)]
        parts = [self._estimate(scopes[cut], cut.start, strength, (gain, prices)) for cut in cuts]
        return Estimates(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _estimate(
        self, scopes: Sequence[Scope], first: int, strength: Reals, worth: tuple[Reals, Prices]
    ) -> tuple[Places, Places, Reals, Reals]:
        gain, prices = worth
        failed = self._counted.counts([scope.failed for scope in scopes], strength) * scopes[0].scale
        total = failed.sum(axis=2)
        groups, items = np.nonzero(total >= self.at_least)
        price = prices.bases[groups + first] + prices.items[items]
        sizes = np.array([self._size_of(scope.base) for scope in scopes])
        hopeful = self._hope(total[groups, items], sizes[groups] * self._shares[items], gain) > price + prices.floor
        groups, items, price = groups[hopeful], items[hopeful], price[hopeful]
        if not len(items):
            return groups, items, price, price
        healthy = self._passed(scopes, groups, items)
        factors = _best(failed[groups, items], healthy, gain)
        most = total[groups, items] * gain[-1]
        return groups + first, items, factors - price, most - price

    def _passed(self, scopes: Sequence[Scope], groups: Places, items: Places) -> Reals:
        """Boots by slice that got past the node and meet the item, for each pair of a scope and an item."""
        passed = np.empty((len(items), self._counted.slices), dtype=np.float64)
        edges = np.searchsorted(groups, np.arange(len(scopes) + 1))
        late = [n for n, scope in enumerate(scopes) if len(scope.late) and edges[n] < edges[n + 1]]
        further = self._counted.counts([scopes[n].late for n in late]) if late else None
        for n, scope in enumerate(scopes):
            own = slice(edges[n], edges[n + 1])
            if edges[n] < edges[n + 1]:
                passed[own] = self._healthy_of(scope.base)[items[own]]
        if further is not None:
            for place, n in enumerate(late):
                own = slice(edges[n], edges[n + 1])
                passed[own] += further[place][items[own]] * self.step
        return passed

    def _hope(self, failed: Reals, expected: Reals, gain: Reals) -> Reals:
        """Log Bayes factor if far fewer healthy boots are inside than chance would put there."""
        ratio = failed[:, None] * gain + _LUCKY * expected[:, None] * _QUICK_MISS
        hope: Reals = ratio.max(axis=1, initial=0.0)
        return hope

    def mixed(self, scope: Scope, weights: Reals) -> Reals:
        """By item, how much likelier these failures are if those that meet it fail at a rate of their own."""
        failed = self._counted.counts([scope.failed], weights)[0].sum(axis=1) * scope.scale
        passed = self._healthy_of(scope.base).sum(axis=1)
        if len(scope.late):
            passed = passed + self._counted.counts([scope.late])[0].sum(axis=1) * self.step
        all_failed = float(weights[scope.failed].sum()) * scope.scale
        all_passed = self._size_of(scope.base) + len(scope.late) * self.step
        apart = _fit(failed, passed) + _fit(all_failed - failed, all_passed - passed)
        return apart - _fit(np.array([all_failed]), np.array([all_passed]))


def _fit(failed: Reals, passed: Reals) -> Reals:
    """Log likelihood of so many failures at their own rate."""
    failed, passed = np.maximum(failed, 0.0), np.maximum(passed, 0.0)
    boots = np.maximum(failed + passed, 1e-9)
    likelihood: Reals = failed * np.log(np.maximum(failed, 1e-9) / boots) + passed * np.log(
        np.maximum(passed, 1e-9) / boots
    )
    return likelihood


def _best(failed: Reals, healthy: Reals, gain: Reals) -> Reals:
    """Largest log likelihood ratio over the rates and over periods that begin and end with a slice."""
    through = np.zeros((len(gain), len(failed)))
    lowest, ended = np.zeros_like(through), np.full_like(through, -np.inf)
    for slice_failed, slice_healthy in zip(failed.T, healthy.T, strict=True):
        # A period begins where the sum up to there is least.
        np.minimum(lowest, through, out=lowest)
        through += gain[:, None] * slice_failed + _QUICK_MISS[:, None] * slice_healthy
        np.maximum(ended, through - lowest, out=ended)
    best = np.maximum(through, np.maximum(through - lowest - _ONSET_COST, ended - 2 * _ONSET_COST))
    worth: Reals = best.max(axis=0, initial=-np.inf)
    return worth
