"""How many boots meet each item, by slice of time? All items of one node are counted at once, failures or a sample.

What is the same for every node, values of all attributes as one number and boots by slice, is worked out once a table.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from pe_collector.engine.addresses import ROUNDING, Stretches
from pe_collector.engine.ground import PREFIX, Ground, Item
from pe_collector.engine.priors import Priors
from pe_collector.engine.table import MISSING, Flags, Places, Reals

SLICES = 8
# The last slice is halved, and its later half again, down to so many rows: a fault that began just now fills but a
# small part of the last eighth of a month.
_LEAST_SLICE = 400
# Healthy boots looked at; of more, every second, third, ... one in order of time.
_SAMPLE = 8_000
_NOWHERE = 0
# Cells of one group that are counted at once without asking which of them are wanted.
_NARROW = 16_000
# Counted at once: bounds the memory.
_MOST_CELLS = 2_000_000


class Sample:
    """The boots that are ever counted: every failure, and of the healthy ones a sample."""

    def __init__(self, ground: Ground, priors: Priors, at_least: float) -> None:
        self.ground = ground
        self.at_least = at_least
        self.step = max(1, -(-len(ground.healthy) // _SAMPLE))
        self.healthy: Places = ground.healthy[:: self.step]
        self.used: Places = np.union1d(ground.failed, self.healthy)
        self.local = np.zeros(ground.table.size, dtype=np.int32)
        self.local[self.used] = np.arange(len(self.used), dtype=np.int32)
        edges = _edges(ground.table.size)
        self.slices = len(edges) + 1
        self.slice_of: Places = np.searchsorted(edges, self.used, side="right")
        self.names = sorted(set(ground.codes) - {PREFIX})
        attributes = [*self.names, PREFIX]
        pairs = [[priors.redundant(one, other) for other in attributes] for one in attributes]
        self.redundant: Flags = np.array(pairs, dtype=np.bool_)
        self._take_values()
        self._take_addresses()

    def _take_values(self) -> None:
        """Number the values that enough failures have, attribute by attribute, after a place for all others of it."""
        ground, failed = self.ground, self.ground.failed
        self.values = np.zeros((len(self.used), len(self.names)), dtype=np.int32)
        starts, codes_of = [0], [np.zeros(0, dtype=np.int64)]
        for n, name in enumerate(self.names):
            codes = ground.codes[name]
            total = np.bincount(codes[failed] + 1, ground.weights[failed], 1 + len(ground.table.columns[name].values))
            kept = np.flatnonzero(total[1:] >= self.at_least - ROUNDING)
            place = np.full(len(total), starts[-1], dtype=np.int32)
            place[kept] += np.arange(1, 1 + len(kept), dtype=np.int32)
            # The last place serves missing ones.
            self.values[:, n] = place[codes[self.used]]
            starts.append(starts[-1] + 1 + len(kept))
            codes_of += [np.array([MISSING]), kept]
        self.starts: Places = np.array(starts, dtype=np.int64)
        self.codes: Places = np.concatenate(codes_of)

    def _take_addresses(self) -> None:
        addresses = self.ground.table.addresses
        if addresses is not None:
            self.ranks = addresses.ranks[self.used]
            self.stretches = Stretches.of(addresses, self.by_rank(self.ground.failed), self.at_least)

    def by_rank(self, failed: Places) -> Reals:
        """Weight of these failures by rank of their address."""
        ranks = self.ranks[self.local[failed]]
        known = ranks >= 0
        weights = self.ground.weights[failed[known]]
        addresses = self.ground.table.addresses
        count = 0 if addresses is None else len(addresses.numbers)
        return np.bincount(ranks[known], weights=weights, minlength=count).astype(np.float64)

    def by_value(self, failed: Places) -> Reals:
        """Weight of these failures by number of a value, 0 for those that stand for all others."""
        values = self.values[self.local[failed]]
        weights = np.repeat(self.ground.weights[failed], len(self.names))
        total = np.bincount(values.ravel(), weights=weights, minlength=int(self.starts[-1]))
        total[self.starts[:-1]] = 0.0
        return total.astype(np.float64)


class Counted:
    """Items that enough failures of one node meet, numbered through all attributes, and the boots that meet them."""

    def __init__(self, sample: Sample, failed: Places) -> None:
        self._sample = sample
        self.items: list[Item] = []
        self.slices = sample.slices
        # Row x attribute -> one more than the place of the item, NOWHERE if it is none.
        self._values = self._number_values(failed)
        self.prefixes_from = len(self.items)
        # Row -> elementary stretch of ranks; each prefix is the stretches from a first up to a last one.
        self._segments = self._number_prefixes(failed)

    def _number_values(self, failed: Places) -> Places:
        sample = self._sample
        kept = np.flatnonzero(sample.by_value(failed) >= sample.at_least)
        of_attribute = np.searchsorted(sample.starts, kept, side="right") - 1
        codes = sample.codes[kept]
        named = zip(of_attribute.tolist(), codes.tolist(), strict=True)
        self.items += [Item(sample.names[n], code, code + 1) for n, code in named]
        place = np.full(int(sample.starts[-1]), _NOWHERE, dtype=np.int64)
        place[kept] = np.arange(1, 1 + len(kept))
        places: Places = place[sample.values[:, np.unique(of_attribute)]]
        return places

    def _number_prefixes(self, failed: Places) -> Places:
        sample, ground = self._sample, self._sample.ground
        addresses = ground.table.addresses
        ranges = [] if addresses is None else sample.stretches.holding(sample.by_rank(failed), sample.at_least)
        ground.prefixes.update({(r.low, r.high): r for r in ranges})
        self.items += [Item(PREFIX, r.low, r.high) for r in ranges]
        edges = np.unique([edge for r in ranges for edge in (r.low, r.high)] or [0])
        self._low = np.searchsorted(edges, [r.low for r in ranges], side="right")
        self._high = np.searchsorted(edges, [r.high for r in ranges], side="right")
        self._width = len(edges) + 1
        if addresses is None:
            return np.zeros(len(sample.used), dtype=np.int64)
        # The last place serves boots without an address: no prefix begins before the first edge.
        segment_of = np.searchsorted(edges, np.arange(len(addresses.numbers) + 1), side="right")
        segment_of[-1] = 0
        segments: Places = segment_of[sample.ranks]
        return segments

    @property
    def is_narrow(self) -> bool:
        """Whether items are so few that counting all of them by slice takes less than asking which are wanted."""
        return (self.prefixes_from + self._width) * self.slices <= _NARROW

    @cached_property
    def _places(self) -> Places:
        """Row x attribute -> cell of the item or elementary stretch, and slice."""
        stretches = np.where(self._segments > 0, self._segments + (1 + self.prefixes_from), _NOWHERE)
        places: Places = np.column_stack((self._values, stretches)) * self.slices + self._sample.slice_of[:, None]
        return places

    def all_by_slice(self, groups: Sequence[Places], weights: Reals | None = None) -> Reals:
        """Weight by group, item and slice."""
        rows, group = _joined(groups)
        items_end = 1 + self.prefixes_from
        width = items_end + self._width
        places = self._places[self._sample.local[rows]]
        if len(groups) > 1:
            places += (group * (width * self.slices))[:, None]
        spread = None if weights is None else np.repeat(weights[rows], places.shape[1])
        whole = np.bincount(places.ravel(), spread, len(groups) * width * self.slices)
        counts = whole.reshape(len(groups), width, self.slices)
        running = np.zeros((len(groups), self._width + 1, self.slices))
        np.cumsum(counts[:, items_end:], axis=1, out=running[:, 1:])
        prefixes = running[:, self._high] - running[:, self._low]
        return np.concatenate((counts[:, 1:items_end], prefixes), axis=1)

    def totals(self, groups: Sequence[Places], weights: Reals | None = None) -> Reals:
        """Weight by group and item; prefixes come after the other items."""
        parts = [self._totals(groups[cut], weights) for cut in self._cuts(groups)]
        return np.concatenate([np.zeros((0, len(self.items))), *parts])

    def _totals(self, groups: Sequence[Places], weights: Reals | None) -> Reals:
        rows, group = _joined(groups)
        local, spread = self._sample.local[rows], None if weights is None else weights[rows]
        values = self._values[local]
        count, width = len(groups), 1 + self.prefixes_from
        values += (group * width)[:, None]
        spread_values = None if spread is None else np.repeat(spread, values.shape[1])
        of_value = np.bincount(values.ravel(), spread_values, count * width).reshape(count, width)[:, 1:]
        segments = self._segments[local] + group * self._width
        of_segment = np.bincount(segments, spread, count * self._width).reshape(count, self._width)
        running = np.zeros((count, self._width + 1))
        np.cumsum(of_segment, axis=1, out=running[:, 1:])
        return np.concatenate((of_value, running[:, self._high] - running[:, self._low]), axis=1)

    def by_slice(self, groups: Sequence[Places], pairs: tuple[Places, Places], weights: Reals | None = None) -> Reals:
        """Weight by slice for pairs of a group, ascending, and an item."""
        counts = np.zeros((len(pairs[0]), self.slices))
        for cut in self._cuts(groups):
            own = slice(*np.searchsorted(pairs[0], (cut.start, cut.stop)))
            if own.start < own.stop:
                wanted = pairs[0][own] - cut.start, pairs[1][own]
                counts[own] = self._by_slice(groups[cut], wanted, weights)
        return counts

    def _by_slice(self, groups: Sequence[Places], pairs: tuple[Places, Places], weights: Reals | None) -> Reals:
        rows, group = _joined(groups)
        local, spread = self._sample.local[rows], None if weights is None else weights[rows]
        slice_of = self._sample.slice_of[local]
        counts = np.zeros((len(pairs[0]), self.slices))
        is_prefix = pairs[1] >= self.prefixes_from
        of_group, items = pairs[0][~is_prefix], pairs[1][~is_prefix]
        if len(items):
            width = 1 + self.prefixes_from
            # Who asks for what: all other items share one place behind.
            asked = np.full(len(groups) * width, len(items))
            asked[of_group * width + items + 1] = np.arange(len(items))
            places = asked[self._values[local] + (group * width)[:, None]] * self.slices + slice_of[:, None]
            spread_values = None if spread is None else np.repeat(spread, places.shape[1])
            found = np.bincount(places.ravel(), spread_values, (len(items) + 1) * self.slices)
            counts[~is_prefix] = found.reshape(-1, self.slices)[:-1]
        of_group, items = pairs[0][is_prefix] * self._width, pairs[1][is_prefix] - self.prefixes_from
        if len(items):
            low, high = self._low[items] + of_group, self._high[items] + of_group
            edges = np.unique(np.concatenate((low, high)))
            places = np.searchsorted(edges, self._segments[local] + group * self._width, side="right")
            found = np.bincount(places * self.slices + slice_of, spread, (len(edges) + 1) * self.slices)
            running = np.cumsum(found.reshape(-1, self.slices), axis=0)
            counts[is_prefix] = running[np.searchsorted(edges, high)] - running[np.searchsorted(edges, low)]
        return counts

    def _cuts(self, groups: Sequence[Places]) -> list[slice]:
        """Groups that are counted at once."""
        each = len(self.items) + self._width
        room = np.cumsum([len(group) * self._values.shape[1] + each for group in groups])
        starts = np.flatnonzero(np.diff(room // _MOST_CELLS, prepend=-1)).tolist()
        return [slice(start, end) for start, end in itertools.pairwise([*starts, len(groups)])]


def _joined(groups: Sequence[Places]) -> tuple[Places, Places]:
    """All rows, and the group of each."""
    if len(groups) == 1:
        return groups[0], np.zeros(len(groups[0]), dtype=np.int64)
    return np.concatenate(groups), np.repeat(np.arange(len(groups)), [len(group) for group in groups])


def _edges(size: int) -> Places:
    """The rows with which the second and each further slice begins."""
    edges = [n * size // SLICES for n in range(1, SLICES)]
    while (size - edges[-1]) // 2 >= _LEAST_SLICE:
        edges.append((size + edges[-1]) // 2)
    return np.array(edges, dtype=np.int64)
