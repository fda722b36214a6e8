"""How many boots meet each item, by slice of time? All items of one node are counted at once, failures or a sample.

What is the same for every node, values of all attributes as one number and boots by slice, is worked out once a table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pe_collector.engine.addresses import Stretches
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
        # Where the numbers of each attribute's values begin; the first of them stands for missing ones.
        sizes = [1 + len(ground.table.columns[name].values) for name in self.names]
        self.starts = np.cumsum([0, *sizes], dtype=np.int64)
        self.values = np.zeros((len(self.used), len(self.names)), dtype=np.int32)
        for n, name in enumerate(self.names):
            self.values[:, n] = ground.codes[name][self.used] + (int(self.starts[n]) - MISSING)
        self._take_addresses()

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
        """Weight of these failures by number of a value, 0 for those that stand for missing ones."""
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
        columns = self._number_values(failed)
        self._items_end = 1 + len(self.items)
        self.prefixes_from = len(self.items)
        segments = self._number_prefixes(failed)
        self._width = self._items_end + 2 * len(self._low_edges) + 3
        if segments is not None:
            columns = np.column_stack((columns, segments))
        self._places: Places = columns * self.slices + sample.slice_of[:, None]

    @property
    def cells(self) -> int:
        """Numbers that one count holds."""
        return self._width * self.slices

    def _number_values(self, failed: Places) -> Places:
        """Row x attribute -> place of the item, NOWHERE if it is none."""
        sample = self._sample
        kept = np.flatnonzero(sample.by_value(failed) >= sample.at_least)
        of_attribute = np.searchsorted(sample.starts, kept, side="right") - 1
        codes = kept - sample.starts[of_attribute] - 1
        self.items += [
            Item(sample.names[n], code, code + 1) for n, code in zip(of_attribute.tolist(), codes.tolist(), strict=True)
        ]
        place = np.full(int(sample.starts[-1]), _NOWHERE, dtype=np.int64)
        place[kept] = np.arange(1, 1 + len(kept))
        places: Places = place[sample.values[:, np.unique(of_attribute)]]
        return places

    def _number_prefixes(self, failed: Places) -> Places | None:
        """Row -> elementary stretch of ranks; each prefix is the stretches from a first to a last one."""
        sample, ground = self._sample, self._sample.ground
        self._low_edges = self._high_edges = np.zeros(0, dtype=np.int64)
        if ground.table.addresses is None:
            return None
        ranges = sample.stretches.holding(sample.by_rank(failed), sample.at_least)
        ground.prefixes.update({(r.low, r.high): r for r in ranges})
        self.items += [Item(PREFIX, r.low, r.high) for r in ranges]
        edges = np.unique([edge for r in ranges for edge in (r.low, r.high)] or [0])
        self._low_edges = np.searchsorted(edges, [r.low for r in ranges], side="right")
        self._high_edges = np.searchsorted(edges, [r.high for r in ranges], side="right")
        # One more than the last rank, for boots without an address.
        segment_of = np.searchsorted(edges, np.arange(len(ground.table.addresses.numbers) + 1), side="right")
        segment_of += self._items_end
        segment_of[-1] = _NOWHERE
        segments: Places = segment_of[sample.ranks]
        return segments

    def counts(self, groups: Sequence[Places], weights: Reals | None = None) -> Reals:
        """Weight by group, item and slice; prefixes come after the other items."""
        rows = groups[0] if len(groups) == 1 else np.concatenate(groups)
        places = self._places[self._sample.local[rows]]
        if len(groups) > 1:
            first = np.arange(len(groups), dtype=np.int64) * self.cells
            places += np.repeat(first, [len(group) for group in groups])[:, None]
        spread = None if weights is None else np.repeat(weights[rows], places.shape[1])
        whole = np.bincount(places.ravel(), weights=spread, minlength=len(groups) * self.cells)
        counts = whole.reshape(len(groups), self._width, self.slices)
        if not len(self._low_edges):
            return counts[:, 1 : self._items_end].astype(np.float64)
        running = np.zeros((len(groups), self._width - self._items_end + 1, self.slices))
        np.cumsum(counts[:, self._items_end :], axis=1, out=running[:, 1:])
        prefixes = running[:, self._high_edges] - running[:, self._low_edges]
        return np.concatenate((counts[:, 1 : self._items_end], prefixes), axis=1)


def _edges(size: int) -> Places:
    """The rows with which the second and each further slice begins."""
    edges = [n * size // SLICES for n in range(1, SLICES)]
    while (size - edges[-1]) // 2 >= _LEAST_SLICE:
        edges.append((size + edges[-1]) // 2)
    return np.array(edges, dtype=np.int64)
