"""Which conjunction of up to three items explains most of what one node leaves open?

An optimistic bound (as if no healthy boot met the condition) decides what is opened further, an estimate what gets
an exact look.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pe_collector.engine.ground import Condition
from pe_collector.engine.score import factor_of
from pe_collector.engine.screen import Numbers, Prices, Scope, Screen
from pe_collector.engine.table import Flags, Places, Reals
from pe_collector.engine.view import Found, View

MOST_ITEMS = 3
# How many conditions are opened for a further item at each level, and how many get an exact look.
_OPENED = (60, 12)
_EXACT = 24
# An estimate this far below the best exact score is not looked at.
_SLACK = 3.0
# A failure of which less is open counts no more.
_NOTHING = 0.02
# Failures that estimates look at; of more, every second, third, ... one in order of time.
_MOST_FAILURES = 6_000
# A part of an explanation covers less than this share of its failures.
_PART = 0.95
# Places of items are packed into one number, each in so many bits.
_BITS = 20
_MASK = (1 << _BITS) - 1


class Search:
    """One search: keeps every condition it has estimated, so that the account of it can be given."""

    def __init__(self, view: View, screen: Screen, machines: int, threshold: float) -> None:
        self._view = view
        self._screen = screen
        self._machines = machines
        self._threshold = threshold
        self._prices: Reals = view.prices(screen.items)
        self._least = float(self._prices.min(initial=0.0))
        # Conditions as packed numbers, ascending; the estimate of each, and the most it could be.
        self._keys: Places = np.zeros(0, dtype=np.int64)
        self._scores: Reals = np.zeros(0)
        self._most: Reals = np.zeros(0)
        self.looked_at = 0

    def best(self) -> list[Found]:
        """Conditions with an exact score, the best first; empty when nothing reaches the threshold."""
        whole = self._whole()
        if self._view.strength[whole.failed].sum() * whole.scale < self._screen.at_least:
            return []
        self._open([()], whole)
        seen: set[int] = set()
        found = self._exact(seen)
        for level, most in enumerate(_OPENED):
            best = max((one.score for one in found), default=self._threshold)
            self._open(self._to_open(level + 1, max(best, self._threshold), most), whole)
            found += self._exact(seen)
        return sorted(found, key=lambda one: (-one.score, one.condition))

    def best_within(self, condition: Condition) -> list[Found]:
        """Conditions that cover only a part of it, the best together with what the rest is worth first."""
        found = self.within(condition)
        return sorted(found, key=lambda one: (-one.score - self._rest(condition, one), one.condition))

    def within(self, condition: Condition) -> list[Found]:
        """Conditions that cover only a part of it: with one item more, or with another one for one of its items."""
        inside = self._inside(condition)
        bases = {condition, *(tuple(i for i in condition if i is not item) for item in condition)}
        if inside is None:
            return []
        for base in sorted(bases):
            if len(base) < MOST_ITEMS:
                self._open([self._numbers(base)], inside)
        parts = self._most < _PART * self._most.max(initial=0.0)
        looked_at = (self._view.exact(c, self._machines) for c in self._top(parts))
        return [one for one in looked_at if one is not None]

    def near(self, condition: Condition) -> list[Found]:
        """Other conditions for most of its boots, with their scores; some have none."""
        looked_at = (self._view.exact(other, self._machines) for other in self.nearby(condition))
        return [one for one in looked_at if one is not None]

    def nearby(self, condition: Condition) -> list[Condition]:
        """Other conditions for most of its boots: an item exchanged for another, left out, or one more."""
        inside = self._inside(condition)
        if inside is None:
            return []
        for item in condition:
            self._open([self._numbers(tuple(other for other in condition if other is not item))], inside)
        if len(condition) < MOST_ITEMS:
            self._open([self._numbers(condition)], inside)
        rows = self._view.ground.rows_in(condition)
        others = self._keys != self._packed(self._numbers(condition))
        wider = [tuple(other for other in condition if other is not item) for item in condition if len(condition) > 1]
        flags = np.zeros(self._view.ground.table.size, dtype=np.bool_)
        flags[rows] = True
        conditions = dict.fromkeys([*wider, *self._top(others)])
        return [one for one in conditions if self._covers_most(one, rows, flags)]

    def mixed(self, condition: Condition) -> float:
        """How much more it could be worth to say that a part of its boots fails at a rate of its own.

        The largest over all further items, what the item costs taken off.
        """
        scope = self._inside(condition)
        if scope is None:
            return 0.0
        gains = self._screen.mixed(scope, self._view.ground.weights) - self._prices
        return float(gains.max(initial=0.0))

    def _inside(self, condition: Condition) -> Scope | None:
        """Its boots; None when too few failures are left in it."""
        numbers = self._screen.numbers(condition)
        return None if numbers is None else self._screen.scope(self._whole(), numbers)

    def _numbers(self, condition: Condition) -> Numbers:
        return self._screen.numbers(condition) or ()

    def _condition(self, key: int) -> Condition:
        places = [(key >> shift & _MASK) - 1 for shift in (0, _BITS, 2 * _BITS)]
        return tuple(sorted(self._screen.items[n] for n in places if n >= 0))

    def _packed(self, numbers: Numbers) -> int:
        return sum(n + 1 << shift for n, shift in zip(reversed(numbers), (0, _BITS, 2 * _BITS), strict=False))

    def _top(self, wanted: Flags) -> list[Condition]:
        """The wanted ones with the best estimates, the best first."""
        return [self._condition(int(self._keys[n])) for n in self._first(np.flatnonzero(wanted), _EXACT)]

    def _first(self, places: Places, most: int, scores: Reals | None = None) -> Places:
        values = (self._scores if scores is None else scores)[places]
        if len(values) > 4 * most:
            limit = np.partition(values, -most)[-most]
            places, values = places[values >= limit], values[values >= limit]
        first: Places = places[np.lexsort((self._keys[places], -values))[:most]]
        return first

    def _covers_most(self, condition: Condition, rows: Places, inside: Flags) -> bool:
        """Whether it covers about these rows, as far as they and its own are known."""
        ground = self._view.ground
        own = ground.rows_in(condition)
        shared = int(inside[own].sum())
        fitting = len(ground.rows_maybe_in(condition, rows))
        return 2 * (shared + fitting) > len(rows) and 3 * shared > len(own)

    def _rest(self, whole: Condition, part: Found) -> float:
        """What the rest of the whole is worth when the part is explained."""
        rows = np.setdiff1d(self._view.ground.rows_in(whole), self._view.ground.rows_in(part.condition))
        return max(0.0, factor_of(self._view.evidence_of(rows)) - self._view.costs.of(whole))

    def _whole(self) -> Scope:
        view = self._view
        failed = view.failed[view.strength[view.failed] > _NOTHING]
        scale = max(1, -(-len(failed) // _MOST_FAILURES))
        return Scope((), failed[::scale], view.late_failures[:: self._screen.step], scale)

    def _open(self, bases: Sequence[Numbers], whole: Scope) -> None:
        """Estimate each condition that has one item more than one of these."""
        if not bases:
            return
        view, screen = self._view, self._screen
        scopes = [screen.scope(whole, base) for base in bases]
        costs = np.array([self._prices[list(base)].sum() for base in bases])
        prices = Prices(costs, self._prices, self._threshold - _SLACK)
        estimates = screen.estimate(scopes, view.strength, view.background, prices)
        self.looked_at += len(estimates.items)
        hopeful = estimates.scores > prices.floor
        if len(bases[0]) + 1 < MOST_ITEMS:
            hopeful |= estimates.most - self._least > self._threshold
        members = np.array(bases, dtype=np.int64).reshape(len(bases), -1)[estimates.scopes]
        kinds = screen.attribute_of[estimates.items]
        for column in members.T:
            hopeful &= ~screen.redundant[screen.attribute_of[column], kinds]
        together = np.sort(np.column_stack((members, estimates.items))[hopeful], axis=1) + 1
        keys = np.zeros(len(together), dtype=np.int64)
        for column in together.T:
            keys = keys << _BITS | column
        self._note(keys, estimates.scores[hopeful], estimates.most[hopeful])

    def _note(self, keys: Places, scores: Reals, most: Reals) -> None:
        """Keep these; of one condition the first estimate stays."""
        all_keys = np.concatenate((self._keys, keys))
        self._keys, first = np.unique(all_keys, return_index=True)
        self._scores = np.concatenate((self._scores, scores))[first]
        self._most = np.concatenate((self._most, most))[first]

    def _to_open(self, items: int, best: float, most: int) -> list[Numbers]:
        """Conditions of so many items that could still lead to something better, the most hopeful first.

        A prefix is always the last item to come: those with one are not opened.
        """
        last = (self._keys & _MASK) - 1
        is_prefix = last >= self._screen.prefixes_from
        size = 1 + (self._keys > _MASK).astype(np.int64) + (self._keys > _MASK << _BITS | _MASK)
        hopeful = np.flatnonzero((size == items) & (self._most - self._least > best) & ~is_prefix)
        first = self._first(hopeful, most, self._most if items == 1 else None)
        return [self._unpacked(int(self._keys[n])) for n in first]

    def _unpacked(self, key: int) -> Numbers:
        return tuple((key >> shift & _MASK) - 1 for shift in (2 * _BITS, _BITS, 0) if key >> shift & _MASK)

    def _exact(self, seen: set[int]) -> list[Found]:
        """An exact look at the conditions with the best estimates, until the next could no longer win."""
        found: list[Found] = []
        best = self._threshold
        waiting = np.flatnonzero(~np.isin(self._keys, list(seen))) if seen else np.arange(len(self._keys))
        for n in self._first(waiting, _EXACT):
            if self._scores[n] < best - _SLACK:
                break
            exact = self._view.exact(self._condition(int(self._keys[n])), self._machines)
            if exact is not None:
                seen.add(int(self._keys[n]))
                found.append(exact)
                best = max(best, exact.score)
        return found
