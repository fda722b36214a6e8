"""Which conditions are worth an exact look? A quick estimate for all of them at once, boots counted in slices of time.

All failures are looked at, and of the healthy boots a sample: only the exact look that follows decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from pe_collector.engine.ground import PREFIX, Condition, Ground, Item
from pe_collector.engine.table import MISSING, Codes, Flags, Places, Reals

SLICES = 8
# Healthy boots looked at; of more, every second, third, ... one in order of time.
_SAMPLE = 8_000
_QUICK_RATES = np.array([0.2, 0.45, 0.75, 0.97])
_QUICK_MISS = np.log1p(-_QUICK_RATES)
_NOWHERE = 0
# Of the healthy boots that chance would put inside, at least this share is reckoned with before they are counted.
_LUCKY = 0.1
# Counted at once: bounds the memory.
_MOST_CELLS = 2_000_000
_ONSET_COST = log(SLICES)


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the boots in which further items are looked for."""

    failed: Places
    healthy: Places

    @property
    def rows(self) -> tuple[Places, Places]:
        """Both."""
        return self.failed, self.healthy


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
    """Items of a table that enough failures meet, numbered through all attributes."""

    def __init__(self, ground: Ground, at_least: float) -> None:
        self._ground = ground
        self.at_least = at_least
        self._slice = np.arange(ground.table.size, dtype=np.int64) * SLICES // max(1, ground.table.size)
        self.items: list[Item] = []
        self._places, self._low_edges, self._high_edges = self._number_items()
        self.attributes = np.array([item.attribute for item in self.items], dtype=np.str_)
        healthy = np.flatnonzero(ground.ok)
        self.step = max(1, -(-len(healthy) // _SAMPLE))
        self.sample = healthy[:: self.step]
        counts = self._counts([self.sample])[0].sum(axis=1)
        self._shares: Reals = counts / max(1, len(self.sample))

    def _number_items(self) -> tuple[Places, Places, Places]:
        """Row x attribute -> place of item and slice; segments of address ranks stand in a column of their own."""
        columns = []
        count = 1
        for name in sorted(set(self._ground.codes) - {PREFIX}):
            codes = self._ground.codes[name]
            place, kept = self._kept(codes, count)
            self.items += [Item(name, int(code), int(code) + 1) for code in kept]
            count += len(kept)
            columns.append(place[codes])
        self._items_end = count
        segments, low, high = self._segments()
        columns.append(np.where(segments >= 0, segments + count, _NOWHERE))
        self._width = count + 2 * len(low) + 3
        stacked = np.stack(columns, axis=1) * SLICES + self._slice[:, None]
        return stacked, low, high

    def _kept(self, codes: Codes, first: int) -> tuple[Places, Places]:
        """Code -> number for the values that enough failures have; the last place serves missing ones."""
        failed = codes[self._ground.failed]
        known = failed != MISSING
        weights = self._ground.weights[self._ground.failed][known]
        total = np.bincount(failed[known], weights=weights, minlength=int(codes.max(initial=-1)) + 1)
        kept = np.flatnonzero(total >= self.at_least)
        place = np.zeros(len(total) + 1, dtype=np.int64)
        place[kept] = np.arange(first, first + len(kept))
        return place, kept

    def _segments(self) -> tuple[Places, Places, Places]:
        """Rows by elementary stretch of ranks, and for each prefix its first and last such stretch."""
        addresses = self._ground.table.addresses
        nothing = np.zeros(0, dtype=np.int64)
        if addresses is None:
            return np.full(self._ground.table.size, -1, dtype=np.int64), nothing, nothing
        ranks = addresses.ranks
        failed = self._ground.failed[ranks[self._ground.failed] >= 0]
        weights = self._ground.weights[failed]
        by_rank: Reals = np.bincount(ranks[failed], weights=weights, minlength=len(addresses.numbers)).astype(
            np.float64
        )
        ranges = addresses.ranges(by_rank, self.at_least)
        self._ground.prefixes.update({(r.low, r.high): r for r in ranges})
        self.items += [Item(PREFIX, r.low, r.high) for r in ranges]
        edges = np.unique([edge for r in ranges for edge in (r.low, r.high)] or [0])
        segments = np.where(ranks >= 0, np.searchsorted(edges, ranks, side="right"), -1)
        low = np.searchsorted(edges, [r.low for r in ranges], side="right")
        high = np.searchsorted(edges, [r.high for r in ranges], side="right")
        return segments, low, high

    def scope(self, failed: Places, healthy: Places, condition: Condition) -> Scope:
        """The rows of both that meet the condition."""
        return Scope(failed[self._meets(failed, condition)], healthy[self._meets(healthy, condition)])

    def _meets(self, rows: Places, condition: Condition) -> Flags:
        meets = np.ones(len(rows), dtype=np.bool_)
        for item in condition:
            codes = self._ground.codes[item.attribute][rows]
            meets &= (codes >= item.low) & (codes < item.high)
        return meets

    def estimate(self, scopes: Sequence[Scope], strength: Reals, background: float, prices: Prices) -> Estimates:
        """Every item that enough of a scope's failures meet and that could be worth its price, for each scope.

        Args:
            scopes: where to look.
            strength: by row of the table, 1 for a failure that nothing explains, down to 0.
            background: chance of a failure without a fault.
            prices: what must be paid.
        """
        gain = np.log1p(_QUICK_RATES * (1.0 - background) / background)
        at_once = max(1, _MOST_CELLS // (self._width * SLICES))
        cuts = [slice(n, n + at_once) for n in range(0, len(scopes), at_once)]
        parts = [self._estimate(scopes[cut], cut.start, strength, (gain, prices)) for cut in cuts]
        return Estimates(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _estimate(
        self, scopes: Sequence[Scope], first: int, strength: Reals, worth: tuple[Reals, Prices]
    ) -> tuple[Places, Places, Reals, Reals]:
        gain, prices = worth
        failed = self._counts([scope.failed for scope in scopes], strength)
        total = failed.sum(axis=2)
        sizes = np.array([len(scope.healthy) for scope in scopes]) * self.step
        groups, items = np.nonzero(total >= self.at_least)
        price = prices.bases[groups + first] + prices.items[items]
        hopeful = self._hope(total[groups, items], sizes[groups] * self._shares[items], gain) > price + prices.floor
        used, groups = np.unique(groups[hopeful], return_inverse=True)
        items, price = items[hopeful], price[hopeful]
        if not len(items):
            return groups, items, price, price
        healthy = self._counts([scopes[n].healthy for n in used]) * self.step
        factors = _best(failed[used[groups], items], healthy[groups, items], gain)
        most = total[used[groups], items] * gain[-1]
        return used[groups] + first, items, factors - price, most - price

    def _hope(self, failed: Reals, expected: Reals, gain: Reals) -> Reals:
        """Log Bayes factor if far fewer healthy boots are inside than chance would put there."""
        ratio = failed[:, None] * gain + _LUCKY * expected[:, None] * _QUICK_MISS
        hope: Reals = ratio.max(axis=1, initial=0.0)
        return hope

    def _counts(self, groups: Sequence[Places], weights: Reals | None = None) -> Reals:
        """Weight by group, item and slice; prefixes come after the other items."""
        rows = np.concatenate(groups)
        own = np.repeat(np.arange(len(groups)), [len(group) for group in groups]) * (self._width * SLICES)
        places = self._places[rows] + own[:, None]
        spread = None if weights is None else np.repeat(weights[rows], places.shape[1])
        whole = np.bincount(places.ravel(), weights=spread, minlength=len(groups) * self._width * SLICES)
        counts = whole.reshape(len(groups), self._width, SLICES)
        running = np.zeros((len(groups), self._width - self._items_end + 1, SLICES))
        np.cumsum(counts[:, self._items_end :], axis=1, out=running[:, 1:])
        prefixes = running[:, self._high_edges] - running[:, self._low_edges]
        return np.concatenate((counts[:, 1 : self._items_end], prefixes), axis=1)


def _best(failed: Reals, healthy: Reals, gain: Reals) -> Reals:
    """Largest log likelihood ratio over the rates and over periods that begin and end with a slice."""
    ratio = failed[:, :, None] * gain + healthy[:, :, None] * _QUICK_MISS
    through = np.cumsum(ratio, axis=1)
    opening = through - ratio
    whole = through[:, -1, :].max(axis=1)
    onset = (through[:, -1:, :] - opening).max(axis=(1, 2)) - _ONSET_COST
    ended = (through - np.minimum.accumulate(opening, axis=1)).max(axis=(1, 2)) - 2 * _ONSET_COST
    best: Reals = np.maximum(whole, np.maximum(onset, ended))
    return best
