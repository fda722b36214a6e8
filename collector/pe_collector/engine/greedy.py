"""Which few explanations together say why boots fail? Add the best, refit, drop what no longer pays, try again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log

from pe_collector.engine.addresses import ROUNDING
from pe_collector.engine.counted import Sample
from pe_collector.engine.ground import Condition, Ground
from pe_collector.engine.model import Explanation, Model
from pe_collector.engine.nodes import Node, Stages
from pe_collector.engine.nodes import stages as usual_stages
from pe_collector.engine.priors import Priors
from pe_collector.engine.priors import priors as usual_priors
from pe_collector.engine.repair import Repair
from pe_collector.engine.screen import Screen
from pe_collector.engine.search import Search
from pe_collector.engine.table import Table
from pe_collector.engine.units import RETRY_S
from pe_collector.engine.view import Found, View

_MOST_EXPLANATIONS = 30
# Scores this much apart are no clear decision: the worse is one in 400.
_NEARLY = 6.0
_MOST_ALTERNATIVES = 3
# What a search costs before its first failure, counted in failures.
_EACH_SEARCH = 3000


@dataclass(frozen=True, slots=True)
class Settings:
    """What it takes to be an explanation.

    Attributes:
        machines: distinct machines that fail.
        alpha: chance of a false explanation that is accepted.
        retry_s: a machine that fails the same way again within so many seconds counts once.
        about: signatures that are asked about; empty: all. Others are searched for where one fault can show as both.
    """

    machines: int = 4
    alpha: float = 0.001
    retry_s: float = RETRY_S
    stages: Stages = field(default_factory=usual_stages)
    priors: Priors = field(default_factory=usual_priors)
    about: frozenset[str] = frozenset()

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
        self._sample = Sample(self.ground, settings.priors, at_least)
        nodes = settings.stages.nodes([s for s in table.signatures if s])
        about = settings.stages.connected(settings.about)
        self.nodes = tuple(node for node in nodes if not settings.about or node.signatures & about)
        self.looked_at = 0
        self.work = 0
        self._found: dict[Node, list[Found]] = {}
        self._screens: dict[Node, Screen] = {}
        self._rivals_of: dict[tuple[Found, ...], list[tuple[float, Found]]] = {}
        self._joined_already: set[tuple[Condition, Node]] = set()

    def explain(self) -> list[Explanation]:
        """The explanations, in the order of what they are worth."""
        for _ in range(_MOST_EXPLANATIONS):
            found = self._best()
            if found is None:
                break
            self.take(found)
            self._drop()
        self.model.background_is_fixed = True
        Repair(self).all_of_it()
        self.model.chosen = [self.model.trimmed(one) for one in self.model.chosen]
        return sorted(self.model.chosen, key=lambda one: (-one.found.score, one.condition))

    def found_for(self, node: Node) -> list[Found]:
        """What explains most of what is left of one node, the best first."""
        if node not in self._found:
            self._found[node] = self.search(node)
        return self._found[node]

    def searching(self, view: View) -> Search:
        """A search through the items that failures of the view's node meet; `work` grows by about what it costs."""
        self.work += _EACH_SEARCH + len(view.failed)
        if view.node not in self._screens:
            self._screens[view.node] = Screen(self._sample, view.failed)
        return Search(view, self._screens[view.node], self.settings.machines, self.settings.threshold)

    def search(self, node: Node) -> list[Found]:
        """What explains most of what is left of one node, searched anew."""
        search = self.searching(self.model.view(node))
        found = search.best()
        self.looked_at += search.looked_at
        return found

    def alternatives(self, explanation: Explanation) -> list[Found]:
        """At most three other conditions that the data cannot well tell from it, beside the other explanations."""
        return [one for _, one in self.rivals(explanation)]

    def considered(self, explanation: Explanation) -> list[Found]:
        """What a search for it looks at closely beside the other explanations, the best first."""
        others = [one for one in self.model.chosen if one.found is not explanation.found]
        search = self.searching(self.model.view(explanation.found.node, others))
        looked_at = [*search.best(), *search.near(explanation.condition)]
        return sorted(looked_at, key=lambda one: (-one.score, one.condition))

    def rivals(self, explanation: Explanation) -> list[tuple[float, Found]]:
        """The alternatives, with what they are worth more where it is known whether boots meet both, the best first.

        With an item more it comes after the others unless that pays for itself, and is one only if it says more, if
        hardly, of the boots that are known to both: what all its boots share would fill the list.
        """
        beside = (explanation.found, *(one.found for one in self.model.chosen))
        if beside not in self._rivals_of:
            self._rivals_of[beside] = list(itertools.islice(self._rivals_anew(explanation), _MOST_ALTERNATIVES))
        return self._rivals_of[beside]

    def _rivals_anew(self, explanation: Explanation) -> Iterator[tuple[float, Found]]:
        others = [one for one in self.model.chosen if one.found is not explanation.found]
        view = self.model.view(explanation.found.node, others)
        mine, own = explanation.condition, set(explanation.condition)
        nearby = self.searching(view).nearby(mine)
        compared = [(-view.advantage(other, [mine]), other) for other in nearby]
        ranked = sorted((own < set(other) and less >= 0.0, less, other) for less, other in compared)
        for is_part, less, condition in ranked:
            says_more = view.costs.of(condition) - view.costs.of(mine) - less
            if less < _NEARLY and (not is_part or says_more > ROUNDING):
                found = view.exact(condition, self.settings.machines)
                if found is not None:
                    yield -less, found

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

    def take(self, found: Found) -> Explanation:
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
            if self.worth(one) < self.settings.threshold:
                self.model.remove(one)
                self._forget(one)

    def worth(self, explanation: Explanation) -> float:
        """Its score beside all the others."""
        others = [one for one in self.model.chosen if one.found is not explanation.found]
        view = self.model.view(explanation.found.node, others)
        again = view.exact(explanation.condition, self.settings.machines)
        return again.score if again is not None else float("-inf")


def explain(table: Table, settings: Settings | None = None) -> list[Explanation]:
    """The few explanations of the failures in a table."""
    return Account(table, settings or Settings()).explain()
