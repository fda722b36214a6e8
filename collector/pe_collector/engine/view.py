"""How do boots look from one node: which failed that way, how surprisingly, and which got past it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pe_collector.engine.costs import Costs
from pe_collector.engine.ground import Condition, Ground, Item
from pe_collector.engine.nodes import Node
from pe_collector.engine.score import RATES, Evidence, Verdict, factor_of, gains_of, judge
from pe_collector.engine.table import MISSING, Flags, Places, Reals

# A failure that the chosen explanations leave this much of open counts as unexplained: of those of a subnet that fails
# always, inside a site that fails in two boots of five, each is explained by more than half.
_OPEN = 0.1
# Failures of kept conditions, at most: bounds the memory.
_MOST_KEPT = 200_000
_REFERENCE = int(np.searchsorted(RATES, 0.9))


@dataclass(frozen=True, slots=True)
class Found:
    """A condition with its period and score: log Bayes factor minus the cost of saying it."""

    condition: Condition
    node: Node
    verdict: Verdict
    cost: float

    @property
    def score(self) -> float:
        """What it is worth to say it."""
        return self.verdict.factor - self.cost


@dataclass(frozen=True, slots=True)
class _Inside:
    """Failures that meet a condition, their places in the view, and healthy boots before each and in all."""

    failed_at: Places
    places: Places
    before: Reals
    healthy: float


class View:
    """The failures of one node beside the explanations already chosen."""

    def __init__(self, ground: Ground, costs: Costs, node: Node, failed: Places, passed: Flags) -> None:
        self.ground = ground
        self.costs = costs
        self.node = node
        self.failed = failed
        self.passed = passed
        self._place = np.full(ground.table.size, -1, dtype=np.int64)
        self._place[failed] = np.arange(len(failed))
        self.gains: Reals = np.zeros((len(failed), len(RATES)))
        self.strength: Reals = np.zeros(ground.table.size)
        self.background = 0.01
        self._prices: Reals | None = None
        self._surviving: Reals | None = None
        self._inside: dict[Condition, _Inside] = {}
        self._kept = 0
        self._worths: dict[tuple[Condition, frozenset[str]], float] = {}

    def explain_with(self, surviving: Reals, background: float) -> None:
        """Take in what is explained: by row, the chance that no chosen explanation makes it fail."""
        own = surviving[self.failed]
        if background == self.background and self._surviving is not None and np.array_equal(own, self._surviving):
            return
        self.background, self._surviving = background, own
        self._worths.clear()
        chance = 1.0 - (1.0 - background) * own
        weights = self.ground.weights[self.failed]
        self.gains = gains_of(chance, weights)
        alone = gains_of(np.array([background]), np.ones(1))[0, _REFERENCE]
        self.strength = np.zeros(self.ground.table.size)
        self.strength[self.failed] = np.clip(self.gains[:, _REFERENCE] / alone, 0.0, 1.0)

    def prices(self, items: Sequence[Item]) -> Reals:
        """Cost of each of these items, which are always those of one screen."""
        if self._prices is None:
            self._prices = np.array([self.costs.of_item(item) for item in items], dtype=np.float64)
        return self._prices

    def most(self) -> float:
        """No condition can have a larger log Bayes factor: the surest rate is that of the largest gain."""
        return float(self.gains[:, -1].sum())

    def most_of(self, rows: Places) -> float:
        """The same of a condition that no other failures than these meet."""
        places = self._place[rows]
        return float(self.gains[places[places >= 0], -1].sum())

    def leave_open_only(self, rows: Places) -> None:
        """Look for nothing but what these failures are about; what is found is worth what it is with all of them."""
        kept = self.strength[rows]
        self._surviving = None
        self.strength = np.zeros(self.ground.table.size)
        self.strength[rows] = kept

    def evidence(self, condition: Condition) -> Evidence:
        """The boots that meet the condition."""
        return self.evidence_of(self.ground.rows_in(condition))

    def evidence_of(self, rows: Places) -> Evidence:
        """These boots, ascending."""
        inside = self._inside_of(rows)
        return Evidence(inside.failed_at, self.gains[inside.places], inside.before, inside.healthy)

    def healthy_in(self, condition: Condition) -> Places:
        """Rows that meet the condition and got past the node."""
        rows = self.ground.rows_in(condition)
        healthy: Places = rows[self.passed[rows]]
        return healthy

    def _inside_of(self, rows: Places) -> _Inside:
        places = self._place[rows]
        failed_at = np.flatnonzero(places >= 0)
        passed = self.passed[rows]
        running = np.cumsum(passed if self.ground.table.counts is None else self.ground.counts[rows] * passed)
        before = running[failed_at].astype(np.float64)
        return _Inside(rows[failed_at], places[failed_at], before, float(running[-1]) if len(rows) else 0.0)

    def _known(self, condition: Condition) -> _Inside:
        """What never changes of the boots that meet it; kept, for the same conditions are looked at again and again."""
        inside = self._inside.get(condition)
        if inside is None:
            if self._kept > _MOST_KEPT:
                self._inside.clear()
                self._kept = 0
            inside = self._inside[condition] = self._inside_of(self.ground.rows_in(condition))
            self._kept += len(inside.failed_at)
        return inside

    def exact(self, condition: Condition, machines: int) -> Found | None:
        """The condition with its score; None when fewer machines than that fail unexplained in its period."""
        inside = self._known(condition)
        unexplained = inside.failed_at[self.strength[inside.failed_at] > _OPEN]
        if len(inside.failed_at) < machines or len(unexplained) < machines:
            return None
        evidence = Evidence(inside.failed_at, self.gains[inside.places], inside.before, inside.healthy)
        verdict = judge(evidence, self.ground.table.size)
        in_time = unexplained[(unexplained >= verdict.start) & (unexplained < verdict.end)]
        if self.ground.machines(in_time) < machines:
            return None
        return Found(condition, self.node, verdict, self.costs.of(condition))

    def advantage(self, rival: Condition, conditions: Sequence[Condition]) -> float:
        """How much more the rival is worth than these, looking only at boots of which is known whether they meet all.

        What two of the conditions cover counts for the narrower one: else a part that fails always would be worth
        nothing beside the whole, which fails now and then.
        """
        names = frozenset(item.attribute for condition in (rival, *conditions) for item in condition)
        if len(conditions) == 1:
            return self._worth_known(rival, names) - self._worth_known(conditions[0], names)
        worth = self._worth_known(rival, names)
        told = np.zeros(self.ground.table.size, dtype=np.bool_)
        for condition in sorted(conditions, key=lambda one: len(self.ground.rows_in(one))):
            rows = self._rows_known(condition, names)
            # One of several that pays for nothing the others leave would be dropped: it is no loss to the rival.
            worth -= max(0.0, self._worth_of(rows[~told[rows]], condition))
            told[rows] = True
        return worth

    def _rows_known(self, condition: Condition, names: frozenset[str]) -> Places:
        """Rows that meet it and of which each of these attributes is known."""
        rows = self.ground.rows_in(condition)
        for name in names - {item.attribute for item in condition}:
            rows = rows[self.ground.codes[name][rows] != MISSING]
        return rows

    def _worth_known(self, condition: Condition, names: frozenset[str]) -> float:
        worth = self._worths.get((condition, names))
        if worth is None:
            worth = self._worths[condition, names] = self._worth_of(self._rows_known(condition, names), condition)
        return worth

    def _worth_of(self, rows: Places, condition: Condition) -> float:
        evidence = self.evidence_of(rows)
        return (factor_of(evidence) if len(evidence.failed_at) else 0.0) - self.costs.of(condition)

    @cached_property
    def late_failures(self) -> Places:
        """Boots that failed at a later stage: they got past this one."""
        return np.flatnonzero(self.passed & ~self.ground.ok)
