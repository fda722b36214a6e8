"""How do boots look from one node: which failed that way, how surprisingly, and which got past it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pe_collector.engine.costs import Costs
from pe_collector.engine.ground import Condition, Ground, Item
from pe_collector.engine.nodes import Node
from pe_collector.engine.score import RATES, Evidence, Verdict, gains_of, judge
from pe_collector.engine.table import MISSING, Flags, Places, Reals

# A failure that the chosen explanations leave this much of open counts as unexplained: of those of a subnet that fails
# always, inside a site that fails in two boots of five, each is explained by more than half.
_OPEN = 0.1
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

    def explain_with(self, surviving: Reals, background: float) -> None:
        """Take in what is explained: by row, the chance that no chosen explanation makes it fail."""
        self.background = background
        chance = 1.0 - (1.0 - background) * surviving[self.failed]
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
        """No condition can have a larger log Bayes factor."""
        return float(self.gains.max(axis=1, initial=0.0).sum())

    def most_of(self, rows: Places) -> float:
        """The same of a condition that no other failures than these meet."""
        places = self._place[rows]
        return float(self.gains[places[places >= 0]].max(axis=1, initial=0.0).sum())

    def leave_open_only(self, rows: Places) -> None:
        """Look for nothing but what these failures are about; what is found is worth what it is with all of them."""
        kept = self.strength[rows]
        self.strength = np.zeros(self.ground.table.size)
        self.strength[rows] = kept

    def evidence(self, condition: Condition) -> Evidence:
        """The boots that meet the condition."""
        return self.evidence_of(self.ground.rows_in(condition))

    def evidence_of(self, rows: Places) -> Evidence:
        """These boots, ascending."""
        places = self._place[rows]
        failed = places >= 0
        passed = rows[self.passed[rows]]
        counts = None if self.ground.table.counts is None else self.ground.counts[passed]
        return Evidence(rows[failed], self.gains[places[failed]], passed, counts)

    def exact(self, condition: Condition, machines: int) -> Found | None:
        """The condition with its score; None when fewer machines than that fail unexplained in its period."""
        evidence = self.evidence(condition)
        if len(evidence.failed_at) < machines:
            return None
        verdict = judge(evidence, self.ground.table.size)
        inside = evidence.failed_at[(evidence.failed_at >= verdict.start) & (evidence.failed_at < verdict.end)]
        unexplained = inside[self.strength[inside] > _OPEN]
        if self.ground.machines(unexplained) < machines:
            return None
        return Found(condition, self.node, verdict, self.costs.of(condition))

    def advantage(self, rival: Condition, conditions: Sequence[Condition]) -> float:
        """How much more the rival is worth than these, looking only at boots of which is known whether they meet all.

        What two of the conditions cover counts for the narrower one: else a part that fails always would be worth
        nothing beside the whole, which fails now and then.
        """
        known = np.ones(self.ground.table.size, dtype=np.bool_)
        for item in {*rival, *(item for condition in conditions for item in condition)}:
            known &= self.ground.codes[item.attribute] != MISSING
        worth = self._worth_within(known, rival)
        for condition in sorted(conditions, key=lambda one: len(self.ground.rows_in(one))):
            # One of several that pays for nothing the others leave would be dropped: it is no loss to the rival.
            own = self._worth_within(known, condition)
            worth -= max(0.0, own) if len(conditions) > 1 else own
            if len(conditions) > 1:
                known[self.ground.rows_in(condition)] = False
        return worth

    def _worth_within(self, known: Flags, condition: Condition) -> float:
        rows = self.ground.rows_in(condition)
        evidence = self.evidence_of(rows[known[rows]])
        factor = judge(evidence, self.ground.table.size).factor if len(evidence.failed_at) else 0.0
        return factor - self.costs.of(condition)

    @cached_property
    def late_failures(self) -> Places:
        """Boots that failed at a later stage: they got past this one."""
        return np.flatnonzero(self.passed & ~self.ground.ok)
