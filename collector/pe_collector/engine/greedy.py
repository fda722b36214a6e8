"""Which few explanations together say why boots fail? Add the best, refit, drop what no longer pays, try again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log

import numpy as np

from pe_collector.engine.ground import PREFIX, Condition, Ground, Item
from pe_collector.engine.model import Explanation, Model
from pe_collector.engine.nodes import Node, Stages
from pe_collector.engine.nodes import stages as usual_stages
from pe_collector.engine.priors import Priors
from pe_collector.engine.priors import priors as usual_priors
from pe_collector.engine.screen import Screen
from pe_collector.engine.search import Search
from pe_collector.engine.table import Table
from pe_collector.engine.view import Found

_MOST_EXPLANATIONS = 30
# Several explanations must be worth this much more than the one they replace.
_SPLIT_COST = 1.0
_PARTS = 3
_TIE = 1.0
# Scores this much apart are no clear decision: the worse is one in 400.
_NEARLY = 6.0
_MOST_ALTERNATIVES = 3
# With fewer healthy boots inside, or a smaller share of them, no narrower explanation can say more.
_HEALTHY_INSIDE = 2
_HEALTHY_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Settings:
    """What it takes to be an explanation.

    Attributes:
        machines: distinct machines that fail.
        alpha: chance of a false explanation that is accepted.
        retry_s: a machine that fails the same way again within so many seconds counts once.
    """

    machines: int = 4
    alpha: float = 0.001
    retry_s: float = 1800.0
    stages: Stages = field(default_factory=usual_stages)
    priors: Priors = field(default_factory=usual_priors)

    @property
    def threshold(self) -> float:
        """Smallest score."""
        return log(1.0 / self.alpha)


class Account:
    """The state of one run: what was found for each node beside the explanations chosen so far."""

    def __init__(self, table: Table, settings: Settings) -> None:
        self.settings = settings
        self.ground = Ground(table, settings.stages, settings.retry_s)
        at_least = settings.machines - 0.5
        self.model = Model(self.ground, settings.priors, at_least)
        self.screen = Screen(self.ground, at_least)
        self.nodes = settings.stages.nodes([s for s in table.signatures if s])
        self.looked_at = 0
        self._found: dict[Node, list[Found]] = {}
        self._joined_already: set[tuple[Condition, Node]] = set()

    def explain(self) -> list[Explanation]:
        """The explanations, in the order of what they are worth."""
        for _ in range(_MOST_EXPLANATIONS):
            found = self._best()
            if found is None:
                break
            self._take(found)
            self._drop()
        self.model.background_is_fixed = True
        self._exchange()
        self._split()
        self._merge()
        self._swap()
        self._drop_all()
        return sorted(self.model.chosen, key=lambda one: (-one.found.score, one.condition))

    def found_for(self, node: Node) -> list[Found]:
        """What explains most of what is left of one node, the best first."""
        if node not in self._found:
            self._found[node] = self._search(node)
        return self._found[node]

    def _search(self, node: Node) -> list[Found]:
        search = Search(self.model.view(node), self.screen, self.settings.machines, self.settings.threshold)
        found = search.best()
        self.looked_at += search.looked_at
        return found

    def alternatives(self, explanation: Explanation) -> list[Found]:
        """At most three other conditions that the data cannot well tell from it, beside the other explanations."""
        rivals = self._rivals(explanation)
        return [one for advantage, one in rivals if advantage > -_NEARLY][:_MOST_ALTERNATIVES]

    def _rivals(self, explanation: Explanation) -> list[tuple[float, Found]]:
        """Other conditions for most of its boots, with what they are worth more where both are known."""
        others = [one for one in self.model.chosen if one.found is not explanation.found]
        view = self.model.view(explanation.found.node, others)
        search = Search(view, self.screen, self.settings.machines, self.settings.threshold)
        rivals = [
            (view.advantage(one.condition, explanation.condition), one) for one in search.near(explanation.condition)
        ]
        return sorted(rivals, key=lambda pair: (-pair[0], pair[1].condition))

    def _swap(self) -> None:
        """A condition that says more where both are known goes before one that is only reported more often."""
        for one in list(self.model.chosen):
            advantage, rival = next(iter(self._rivals(one)), (0.0, one.found))
            if advantage > _TIE:
                self.model.remove(one)
                self.model.add(rival)

    def _best(self) -> Found | None:
        """The best over all nodes; one that cannot reach it is not searched."""
        best: Found | None = None
        limits = sorted(((self._limit(node), n) for n, node in enumerate(self.nodes)), reverse=True)
        for limit, n in limits:
            if limit <= (self.settings.threshold if best is None else best.score):
                break
            found = [one for one in self.found_for(self.nodes[n])[:2] if not self._is_joined(one)]
            best = max([*found, *([best] if best else [])], key=lambda one: (one.score, one.condition), default=None)
        return best if best is not None and best.score > self.settings.threshold else None

    def _limit(self, node: Node) -> float:
        """No explanation of this node can be worth more."""
        if node in self._found:
            return max((one.score for one in self._found[node][:2]), default=float("-inf"))
        return self.model.view(node).most()

    def _take(self, found: Found) -> Explanation:
        """Add it; what says the same condition of kindred signatures already becomes one with it."""
        twin = next((one for one in self.model.chosen if self._same_fault(one, found)), None)
        if twin is not None:
            self._joined_already.add((found.condition, found.node))
            found = self._joined(twin, found)
        taken = self.model.add(found)
        self._forget(taken)
        return taken

    def _is_joined(self, found: Found) -> bool:
        return (found.condition, found.node) in self._joined_already

    def _same_fault(self, one: Explanation, found: Found) -> bool:
        kin = self.settings.stages.kin(found.node.signatures) | found.node.signatures
        names = {self.ground.table.signatures[code] for code in one.signatures}
        return one.condition == found.condition and bool(names & kin)

    def _joined(self, twin: Explanation, found: Found) -> Found:
        names = frozenset(self.ground.table.signatures[code] for code in twin.signatures) | found.node.signatures
        self.model.remove(twin)
        self._forget(twin)
        joined = self.model.view(Node(found.node.name, names)).exact(found.condition, self.settings.machines)
        return joined if joined is not None else found

    def _forget(self, explanation: Explanation) -> None:
        """Nodes that share a signature with it must be searched anew."""
        names = {self.ground.table.signatures[code] for code in explanation.signatures}
        for node in self.nodes:
            if node.signatures & names:
                self._found.pop(node, None)

    def _drop(self) -> None:
        """Take out what no longer pays beside the others."""
        for one in list(self.model.chosen[:-1]):
            if self._worth(one) < self.settings.threshold:
                self.model.remove(one)
                self._forget(one)

    def _worth(self, explanation: Explanation) -> float:
        """Its score beside all the others."""
        others = [one for one in self.model.chosen if one.found is not explanation.found]
        view = self.model.view(explanation.found.node, others)
        again = view.exact(explanation.condition, self.settings.machines)
        return again.score if again is not None else float("-inf")

    def _exchange(self) -> None:
        """Search once more for what each explanation says, now that the others of its kin are known."""
        for one in list(self.model.chosen):
            if one not in self.model.chosen or not self._has_kin(one):
                continue
            self.model.remove(one)
            again = self.model.view(one.found.node).exact(one.condition, self.settings.machines)
            found = [*self._search(one.found.node)[:1], *([again] if again is not None else [])]
            best = max(found, key=lambda other: other.score, default=None)
            if best is not None and best.score > self.settings.threshold:
                self._take(best)

    def _has_kin(self, one: Explanation) -> bool:
        others = [other for other in self.model.chosen if other is not one]
        return any(one.signatures & other.signatures for other in others)

    def _split(self) -> None:
        """Two or three narrower explanations instead of one, where they say more together."""
        for one in list(self.model.chosen):
            if one.reached - len(one.failed) < max(_HEALTHY_INSIDE, _HEALTHY_SHARE * one.reached):
                continue
            if self._stands(one):
                self._split_one(one)

    def _split_one(self, one: Explanation) -> None:
        """Its part of the answer anew, together with what lies across it, if that says more."""
        group = [other for other in self.model.chosen if other is one or self._crosses(one, other)]
        without = [other for other in self.model.chosen if other not in group]
        self.model.replace(without)
        firsts = self._parts_of(one)
        best = self._worth_together(group) + _SPLIT_COST
        choice = list(self.model.chosen)
        for first in firsts:
            self.model.replace(without)
            total = self._continue_from(first, len(group) + 2)
            if total > best:
                best, choice = total, list(self.model.chosen)
        self.model.replace(choice)

    def _merge(self) -> None:
        """One wider explanation instead of two, where it says as much."""
        for one, other in itertools.combinations(list(self.model.chosen), 2):
            both = [one, other]
            wider = self._wider(one.condition, other.condition)
            if wider and one.signatures & other.signatures and all(self._stands(part) for part in both):
                self._merge_into(wider, both)

    def _merge_into(self, wider: Condition, both: Sequence[Explanation]) -> None:
        before = list(self.model.chosen)
        self.model.replace([one for one in before if all(one.found is not part.found for part in both)])
        node = max(both, key=lambda part: len(part.found.node.signatures)).found.node
        found = self.model.view(node).exact(wider, self.settings.machines)
        parts = self._worth_together(both)
        if found is None or found.score < parts:
            self.model.replace(before)
            return
        self.model.replace([one for one in before if all(one.found is not part.found for part in both)])
        self.model.add(found)

    def _stands(self, one: Explanation) -> bool:
        return any(other.found is one.found for other in self.model.chosen)

    def _wider(self, one: Condition, other: Condition) -> Condition:
        """What both say: their common items, and the longest prefix around both of theirs."""
        shared = [item for item in one if item in other]
        ranges = [item for item in (*one, *other) if item.attribute == PREFIX and item not in shared]
        if len(ranges) == 2:
            low, high = min(item.low for item in ranges), max(item.high for item in ranges)
            around = [place for place in self.ground.prefixes if place[0] <= low and place[1] >= high]
            best = min(around, key=lambda place: place[1] - place[0], default=None)
            shared += [Item(PREFIX, *best)] if best is not None else []
        return tuple(sorted(shared))

    def _crosses(self, one: Explanation, other: Explanation) -> bool:
        return bool(len(np.intersect1d(one.failed, other.failed)))

    def _worth_together(self, group: Sequence[Explanation]) -> float:
        """What these are worth, each beside those before it; all are taken in."""
        total = 0.0
        for one in sorted(group, key=lambda other: -other.found.score):
            found = self.model.view(one.found.node).exact(one.condition, 1)
            total += found.score if found is not None else 0.0
            self.model.add(found if found is not None else one.found)
        return total

    def _parts_of(self, whole: Explanation) -> list[Found]:
        settings = self.settings
        search = Search(self.model.view(whole.found.node), self.screen, settings.machines, settings.threshold)
        parts = search.best_within(whole.condition)
        return [part for part in parts if part.score > settings.threshold][:_PARTS]

    def _continue_from(self, first: Found, most: int) -> float:
        """What it and a few more explanations of the same node are worth, `most` in all; all are taken in."""
        total = first.score
        self.model.add(first)
        for _ in range(most - 1):
            found = self._search(first.node)
            if not found or found[0].score < self.settings.threshold:
                break
            total += found[0].score
            self.model.add(found[0])
        return total

    def _drop_all(self) -> None:
        """Take out, the weakest first, what does not pay beside the others."""
        while self.model.chosen:
            weakest = min(self.model.chosen, key=self._worth)
            if self._worth(weakest) >= self.settings.threshold:
                return
            self.model.remove(weakest)


def explain(table: Table, settings: Settings | None = None) -> list[Explanation]:
    """The few explanations of the failures in a table."""
    return Account(table, settings or Settings()).explain()
