"""Which conjunction of up to three items explains most of what one node leaves open?

An optimistic bound (as if no healthy boot met the condition) decides what is opened further, an estimate what gets
an exact look.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from pe_collector.engine.ground import PREFIX, Condition
from pe_collector.engine.score import judge
from pe_collector.engine.screen import Prices, Scope, Screen
from pe_collector.engine.table import Places, Reals
from pe_collector.engine.view import Found, View

MOST_ITEMS = 3
# How many conditions are opened for a further item at each level, and how many get an exact look.
_OPENED = (60, 12)
_EXACT = 24
# An estimate this far below the best exact score is not looked at.
_SLACK = 3.0
# A part of an explanation covers less than this share of its failures.
_PART = 0.95


class Search:
    """One search: keeps every condition it has estimated, so that the account of it can be given."""

    def __init__(self, view: View, screen: Screen, machines: int, threshold: float) -> None:
        self._view = view
        self._screen = screen
        self._machines = machines
        self._threshold = threshold
        self._estimated: dict[Condition, tuple[float, float]] = {}
        self._prices: Reals = view.prices(screen.items)
        self._least = float(self._prices.min(initial=0.0))
        self.looked_at = 0

    def best(self) -> list[Found]:
        """Conditions with an exact score, the best first; empty when nothing reaches the threshold."""
        whole = self._whole()
        if self._view.strength[whole.failed].sum() < self._screen.at_least:
            return []
        self._open([()], whole)
        found = self._exact(set())
        for level, most in enumerate(_OPENED):
            best = max((one.score for one in found), default=self._threshold)
            self._open(self._to_open(level + 1, max(best, self._threshold), most), whole)
            found += self._exact({one.condition for one in found})
        return sorted(found, key=lambda one: (-one.score, one.condition))

    def best_within(self, condition: Condition) -> list[Found]:
        """Conditions that cover only a part of it: with one item more, or with another one for one of its items."""
        inside = self._screen.scope(*self._whole().rows, condition)
        bases = {condition, *(tuple(i for i in condition if i is not item) for item in condition)}
        for base in sorted(bases):
            if len(base) < MOST_ITEMS:
                self._open([base], inside)
        most = max((most for _, most in self._estimated.values()), default=0.0)
        parts = [(score, c) for c, (score, all_of_it) in self._estimated.items() if all_of_it < _PART * most]
        looked_at = (self._view.exact(c, self._machines) for _, c in heapq.nlargest(_EXACT, parts))
        found = [one for one in looked_at if one is not None]
        return sorted(found, key=lambda one: (-one.score - self._rest(condition, one), one.condition))

    def near(self, condition: Condition) -> list[Found]:
        """Other conditions for most of its boots: each of its items exchanged for another, or left out."""
        inside = self._screen.scope(*self._whole().rows, condition)
        for item in condition:
            self._open([tuple(other for other in condition if other is not item)], inside)
        self._estimated.pop(condition, None)
        rows = self._view.ground.rows_in(condition)
        looked_at = [
            one
            for _, c in heapq.nlargest(_EXACT, ((score, c) for c, (score, _) in self._estimated.items()))
            if not set(condition) < set(c) and (one := self._view.exact(c, self._machines)) is not None
        ]
        return [one for one in looked_at if self._covers_most(one.condition, rows)]

    def _covers_most(self, condition: Condition, rows: Places) -> bool:
        """Whether it covers about these rows, as far as they and its own are known."""
        ground = self._view.ground
        own = ground.rows_in(condition)
        shared = len(np.intersect1d(own, rows, assume_unique=True))
        fitting = len(ground.rows_maybe_in(condition, rows))
        return 2 * (shared + fitting) > len(rows) and 3 * shared > len(own)

    def _rest(self, whole: Condition, part: Found) -> float:
        """What the rest of the whole is worth when the part is explained."""
        rows = np.setdiff1d(self._view.ground.rows_in(whole), self._view.ground.rows_in(part.condition))
        rest = judge(self._view.evidence_of(rows), self._view.ground.table.size)
        return max(0.0, rest.factor - self._view.costs.of(whole))

    def _whole(self) -> Scope:
        view = self._view
        healthy = np.concatenate((self._screen.sample, view.late_failures[:: self._screen.step]))
        return Scope(view.failed[view.strength[view.failed] > 0.0], healthy)

    def _open(self, bases: Sequence[Condition], whole: Scope) -> None:
        """Estimate each condition that has one item more than one of these."""
        if not bases:
            return
        view, screen = self._view, self._screen
        scopes = [screen.scope(*whole.rows, base) for base in bases]
        prices = Prices(np.array([view.costs.of(base) for base in bases]), self._prices, self._threshold - _SLACK)
        estimates = screen.estimate(scopes, view.strength, view.background, prices)
        self.looked_at += len(estimates.items)
        hopeful = estimates.scores > prices.floor
        if len(bases[0]) + 1 < MOST_ITEMS:
            hopeful |= estimates.most - self._least > self._threshold
        for n in np.flatnonzero(hopeful):
            base, item = bases[estimates.scopes[n]], screen.items[estimates.items[n]]
            if not any(view.costs.redundant(item, other) for other in base):
                condition = tuple(sorted((*base, item)))
                self._estimated.setdefault(condition, (float(estimates.scores[n]), float(estimates.most[n])))

    def _to_open(self, items: int, best: float, most: int) -> list[Condition]:
        """Conditions of so many items that could still lead to something better, the most hopeful first."""
        hopeful = (
            (most_score if items == 1 else score, condition)
            for condition, (score, most_score) in self._estimated.items()
            if len(condition) == items
            and most_score - self._least > best
            and all(item.attribute != PREFIX for item in condition)
        )
        return [condition for _, condition in heapq.nlargest(most, hopeful)]

    def _exact(self, seen: set[Condition]) -> list[Found]:
        """An exact look at the conditions with the best estimates, until the next could no longer win."""
        found: list[Found] = []
        best = self._threshold
        waiting = ((score, c) for c, (score, _) in self._estimated.items() if c not in seen)
        for score, condition in heapq.nlargest(_EXACT, waiting):
            if score < best - _SLACK:
                break
            exact = self._view.exact(condition, self._machines)
            if exact is not None:
                found.append(exact)
                best = max(best, exact.score)
        return found
