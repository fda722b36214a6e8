"""Which conditions are worth an exact look? A quick estimate for all of them at once, boots counted in slices of time.

All failures are looked at, and of the healthy boots a sample: only the exact look that follows decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
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
# Counts by item that are kept, at most.
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
        # Boots that each healthy one of the sample stands for; None: one.
        self._weights = None if sample.ground.table.counts is None else sample.ground.counts
        self._rows: dict[Numbers, Places] = {(): sample.healthy}
        self._sizes: dict[Numbers, float] = {}
        self._healthy: dict[Numbers, Reals] = {}
        healthy = self._counted.totals([sample.healthy], self._weights)[0] * self.step
        self._shares: Reals = healthy / max(1.0, self._size_of(()))

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
        """Healthy boots by item and slice among those that meet the base; kept, for every search asks for the same."""
        if base not in self._healthy:
            if len(self._healthy) * len(self.items) > _MOST_KEPT:
                self._healthy.clear()
            healthy = self._counted.all_by_slice([self._rows_of(base)], self._weights)[0]
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
        scale, lists = scopes[0].scale, [scope.failed for scope in scopes]
        total, failed_in = self._counted_in(lists, strength)
        groups, items = np.nonzero(total * scale >= self.at_least)
        total = total[groups, items] * scale
        price = prices.bases[groups] + prices.items[items]
        sizes = np.array([self._size_of(scope.base) for scope in scopes])
        hopeful = self._hope(total, sizes[groups] * self._shares[items], gain) > price + prices.floor
        groups, items, price, total = groups[hopeful], items[hopeful], price[hopeful], total[hopeful]
        failed = failed_in(groups, items) * scale
        factors = _best(failed, self._passed(scopes, groups, items), gain)
        return Estimates(groups, items, factors - price, total * gain[-1] - price)

    def _counted_in(
        self, lists: Sequence[Places], weights: Reals | None
    ) -> tuple[Reals, Callable[[Places, Places], Reals]]:
        """Weight by list and item, and what tells it by slice for pairs of a list and an item."""
        if not self._counted.is_narrow:
            totals = self._counted.totals(lists, weights)
            return totals, lambda groups, items: self._counted.by_slice(lists, (groups, items), weights)
        whole = self._counted.all_by_slice(lists, weights)
        return whole.sum(axis=2), lambda groups, items: whole[groups, items]

    def _passed(self, scopes: Sequence[Scope], groups: Places, items: Places) -> Reals:
        """Boots by slice that got past the node and meet the item, for each pair of a scope and an item."""
        passed = self._healthy_in(scopes, groups, items)
        late = [n for n, scope in enumerate(scopes) if len(scope.late)]
        if late and len(groups):
            place = np.full(len(scopes), -1)
            place[late] = np.arange(len(late))
            own = np.flatnonzero(place[groups] >= 0)
            late_in = self._counted_in([scopes[n].late for n in late], None)[1]
            passed[own] += late_in(place[groups[own]], items[own]) * self.step
        return passed

    def _healthy_in(self, scopes: Sequence[Scope], groups: Places, items: Places) -> Reals:
        if not self._counted.is_narrow and any(scope.base for scope in scopes):
            rows = [self._rows_of(scope.base) for scope in scopes]
            return self._counted.by_slice(rows, (groups, items), self._weights) * self.step
        passed = np.empty((len(items), self._counted.slices))
        edges = np.searchsorted(groups, np.arange(len(scopes) + 1)).tolist()
        for scope, (start, end) in zip(scopes, itertools.pairwise(edges), strict=True):
            if start < end:
                passed[start:end] = self._healthy_of(scope.base)[items[start:end]]
        return passed

    def _hope(self, failed: Reals, expected: Reals, gain: Reals) -> Reals:
        """Log Bayes factor if far fewer healthy boots are inside than chance would put there."""
        ratio = failed[:, None] * gain + _LUCKY * expected[:, None] * _QUICK_MISS
        hope: Reals = ratio.max(axis=1, initial=0.0)
        return hope

    def mixed(self, scope: Scope, weights: Reals) -> Reals:
        """By item, how much likelier these failures are if those that meet it fail at a rate of their own."""
        failed = self._counted.totals([scope.failed], weights)[0] * scope.scale
        passed = self._counted.totals([self._rows_of(scope.base)], self._weights)[0] * self.step
        if len(scope.late):
            passed = passed + self._counted.totals([scope.late])[0] * self.step
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
