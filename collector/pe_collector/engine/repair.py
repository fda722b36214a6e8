"""What can be said better once all explanations are known? Split one, join or exchange several, drop the rest."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pe_collector.engine.ground import PREFIX, Condition, Item
from pe_collector.engine.instead import Others, continue_from
from pe_collector.engine.model import Explanation
from pe_collector.engine.nodes import Node
from pe_collector.engine.search import MOST_ITEMS
from pe_collector.engine.table import MISSING
from pe_collector.engine.view import Found

if TYPE_CHECKING:
    from pe_collector.engine.greedy import Account

# Several explanations must be worth this much more than the one they replace, and this share of it: with thousands of
# failures the model's own roughness (a boot that two faults cover fails of one) is worth more than a few items.
_SPLIT_COST = 1.0
_SPLIT_SHARE = 0.01
_PARTS = 3
_MOST_SPLITS = 24
# Failures that searches for parts may look through in all: bounds the time whatever the table, and always alike.
_MOST_WORK = 400_000
_TIE = 1.0
# An explanation is part of another condition when so much of its failures lies in it.
_PART_INSIDE = 0.9
# With fewer healthy boots inside, or a smaller share of them, no narrower explanation can say more.
_HEALTHY_INSIDE = 2
_HEALTHY_SHARE = 0.1


class Repair:
    """The second look at what an account has chosen."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._model = account.model
        self._settings = account.settings
        self._ground = account.ground

    def all_of_it(self) -> None:
        """Each step once, in an order in which the later ones profit from the earlier."""
        self.judge_anew()
        self.exchange()
        self.split()
        self.merge()
        self.gather()
        self.narrow()
        self.swap()
        self.drop_all()

    def swap(self) -> None:
        """A condition that says more where both are known goes before one that is only reported more often."""
        for one in list(self._model.chosen):
            advantage, rival = next(iter(self._account.rivals(one)), (0.0, one.found))
            if advantage > _TIE:
                self._model.remove(one)
                self._model.add(rival)

    def judge_anew(self) -> None:
        """What was taken for the few failures that another left open is judged by all its own, now that one is gone."""
        for one in list(self._model.chosen):
            names = frozenset(self._ground.table.signatures[code] for code in one.signatures)
            if names == one.found.node.signatures:
                continue
            others = [other for other in self._model.chosen if other.found is not one.found]
            view = self._model.view(Node(one.found.node.name, names), others)
            again = view.exact(one.condition, self._settings.machines)
            if again is not None and again.score > one.found.score:
                self._model.remove(one)
                self._model.add(again)

    def narrow(self) -> None:
        """One item more, where all failures of which it is known have it and it says more of the boots known to both.

        Failures that leave out an attribute (no lease, so no server) make the wider condition look better than it is.
        """
        for one in list(self._model.chosen):
            others = [other for other in self._model.chosen if other.found is not one.found]
            view = self._model.view(one.found.node, others)
            gain, narrower = _TIE, None
            for item in self._shared_items(one):
                condition = tuple(sorted((*one.condition, item)))
                if (more := view.advantage(condition, [one.condition])) > gain:
                    gain, narrower = more, condition
            found = view.exact(narrower, self._settings.machines) if narrower else None
            if found is not None and found.score > self._settings.threshold:
                self._model.remove(one)
                self._model.add(found)

    def _shared_items(self, one: Explanation) -> Iterator[Item]:
        """What nearly all its failures have of which it is known, by attribute."""
        named = {item.attribute for item in one.condition}
        for name, codes in self._ground.codes.items():
            known = codes[one.failed]
            known = known[known != MISSING]
            if len(one.condition) == MOST_ITEMS or name in named | {PREFIX} or len(known) < self._settings.machines:
                continue
            counts = np.bincount(known)
            most = int(counts.argmax())
            if counts[most] > _PART_INSIDE * len(known):
                yield Item(name, most, most + 1)

    def exchange(self) -> None:
        """Search once more for what each explanation says, now that the others of its kin are known."""
        for one in list(self._model.chosen):
            if one not in self._model.chosen or not self._has_kin(one):
                continue
            self._model.remove(one)
            again = self._model.view(one.found.node).exact(one.condition, self._settings.machines)
            found = [*self._account.search(one.found.node)[:1], *([again] if again is not None else [])]
            best = max(found, key=lambda other: other.score, default=None)
            if best is not None and best.score > self._settings.threshold:
                self._account.take(best)
                if again is not None and not self._is_about(best, one):
                    # Another fault was found; this one stands beside it.
                    self._account.take(again)

    def _is_about(self, found: Found, one: Explanation) -> bool:
        inside = np.isin(one.failed, self._ground.rows_in(found.condition), assume_unique=True)
        return bool(2 * inside.sum() >= len(one.failed))

    def _has_kin(self, one: Explanation) -> bool:
        others = [other for other in self._model.chosen if other is not one]
        return any(one.signatures & other.signatures for other in others)

    def split(self) -> None:
        """Two or three narrower explanations instead of one, where they say more together."""
        waiting = list(self._model.chosen)
        seen = {one.found for one in waiting}
        until = self._account.work + _MOST_WORK
        while waiting and self._account.work < until:
            one = waiting.pop(0)
            if one.reached - len(one.failed) < max(_HEALTHY_INSIDE, _HEALTHY_SHARE * one.reached):
                continue
            if self._stands(one) and self._is_mixed(one) and len(seen) < _MOST_SPLITS:
                self._split_one(one)
                # What three faults lie behind takes two steps.
                parts = [part for part in self._model.chosen if part.found not in seen]
                seen |= {part.found for part in parts}
                waiting += parts

    def _is_mixed(self, one: Explanation) -> bool:
        """Whether some item more would pay: else its boots fail all alike, and no two parts can say more."""
        others = [other for other in self._model.chosen if other.found is not one.found]
        view = self._model.view(one.found.node, others)
        search = self._account.searching(view)
        return search.mixed(one.condition) > _SPLIT_COST

    def _split_one(self, one: Explanation) -> None:
        """Its part of the answer anew, together with what lies across it, if that says more."""
        group = [other for other in self._model.chosen if other is one or self._crosses(one, other)]
        without = [other for other in self._model.chosen if other not in group]
        self._model.replace(without)
        firsts = self._parts_of(one)
        failed = functools.reduce(np.union1d, (other.failed for other in group))
        best = self._worth_together(group)
        best += max(_SPLIT_COST, _SPLIT_SHARE * best)
        choice = list(self._model.chosen)
        # Greedy would take the whole again for what its first part leaves: once it may, once it must not.
        for first, whole in itertools.product(firsts, (None, one.condition)):
            self._model.replace(without)
            total = continue_from(self._account, first, Others(len(group) + 2, best, failed, whole))
            if total > best:
                best, choice = total, list(self._model.chosen)
        self._model.replace(choice)

    def merge(self) -> None:
        """One wider explanation instead of two, where it says as much."""
        for one, other in itertools.combinations(list(self._model.chosen), 2):
            both = [one, other]
            wider = self._wider(one.condition, other.condition)
            if wider and one.signatures & other.signatures and all(self._stands(part) for part in both):
                self._merge_into(wider, both)

    def _merge_into(self, wider: Condition, both: Sequence[Explanation]) -> None:
        before = list(self._model.chosen)
        without = self._all_but(both)
        self._model.replace(without)
        node = max(both, key=lambda part: len(part.found.node.signatures)).found.node
        found = self._model.view(node).exact(wider, self._settings.machines)
        parts = self._worth_together(both)
        if found is None or found.score < parts:
            self._model.replace(before)
            return
        self._model.replace(without)
        self._model.add(found)

    def gather(self) -> None:
        """One neighbour of an explanation instead of it and others, where it says more of the boots known to all.

        A subnet on three switches fails: where switches are reported more often, they are found first.
        """
        waiting = list(self._model.chosen)
        while waiting:
            one = waiting.pop()
            kin = [other for other in self._model.chosen if other.signatures & one.signatures]
            if self._stands(one) and len(kin) > 1:
                # What was gathered may be part of something wider still.
                waiting += self._gathered_around(one, kin)

    def _gathered_around(self, one: Explanation, kin: Sequence[Explanation]) -> list[Explanation]:
        node = max(kin, key=lambda part: len(part.found.node.signatures)).found.node
        search = self._account.searching(self._model.view(node, self._all_but(kin)))
        best, gain = None, _TIE
        for rival in search.near(one.condition):
            parts = [part for part in kin if self._lies_in(part, rival.condition)]
            if len(parts) < 2:
                continue
            view = self._model.view(node, self._all_but(parts))
            if (more := view.advantage(rival.condition, [part.condition for part in parts])) > gain:
                best, gain = (rival, parts), more
        if best is None:
            return []
        rival, parts = best
        self._model.replace(self._all_but(parts))
        return [self._model.add(rival)]

    def _all_but(self, parts: Sequence[Explanation]) -> list[Explanation]:
        return [one for one in self._model.chosen if all(one.found is not part.found for part in parts)]

    def _lies_in(self, part: Explanation, condition: Condition) -> bool:
        """Whether nearly all of its failures of which is known whether they meet the condition do."""
        inside = np.ones(len(part.failed), dtype=np.bool_)
        known = np.ones(len(part.failed), dtype=np.bool_)
        for item in condition:
            codes = self._ground.codes[item.attribute][part.failed]
            known &= codes != MISSING
            inside &= (codes >= item.low) & (codes < item.high)
        return bool(inside.sum() > _PART_INSIDE * known.sum())

    def _stands(self, one: Explanation) -> bool:
        return any(other.found is one.found for other in self._model.chosen)

    def _wider(self, one: Condition, other: Condition) -> Condition:
        """What both say: their common items, and the longest prefix around both of theirs."""
        shared = [item for item in one if item in other]
        ranges = [item for item in (*one, *other) if item.attribute == PREFIX and item not in shared]
        if len(ranges) == 2:
            low, high = min(item.low for item in ranges), max(item.high for item in ranges)
            around = [place for place in self._ground.prefixes if place[0] <= low and place[1] >= high]
            best = min(around, key=lambda place: place[1] - place[0], default=None)
            shared += [Item(PREFIX, *best)] if best is not None else []
        return tuple(sorted(shared))

    def _crosses(self, one: Explanation, other: Explanation) -> bool:
        return bool(len(np.intersect1d(one.failed, other.failed)))

    def _worth_together(self, group: Sequence[Explanation]) -> float:
        """What these are worth, each beside those before it; all are taken in."""
        total = 0.0
        for one in sorted(group, key=lambda other: -other.found.score):
            found = self._model.view(one.found.node).exact(one.condition, 1)
            total += found.score if found is not None else 0.0
            self._model.add(found if found is not None else one.found)
        return total

    def _parts_of(self, whole: Explanation) -> list[Found]:
        parts = self._account.searching(self._model.view(whole.found.node)).best_within(whole.condition)
        return [part for part in parts if part.score > self._settings.threshold][:_PARTS]

    def drop_all(self) -> None:
        """Take out, the weakest first, what does not pay beside the others."""
        while self._model.chosen:
            weakest = min(self._model.chosen, key=self._account.worth)
            if self._account.worth(weakest) >= self._settings.threshold:
                return
            self._model.remove(weakest)
