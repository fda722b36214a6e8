"""Which explanations hold together, how often does each make a boot fail, and what is left as background?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, fsum, lgamma, log

import numpy as np

from pe_collector.engine.costs import Costs
from pe_collector.engine.ground import Condition, Ground
from pe_collector.engine.nodes import Node
from pe_collector.engine.priors import Priors
from pe_collector.engine.table import MISSING, Codes, Flags, Places, Reals
from pe_collector.engine.view import Found, View

# Background of a signature: below the first nothing is sure, above the last nothing would be a fault.
_LEAST_BACKGROUND = 0.001
_MOST_BACKGROUND = 0.03
# No fault is surer than this, nor surer than its boots can show: of a hundred thousand a fiftieth that did not fail
# would be so many that a second fault would pay which says the same again.
_MOST_RATE = 0.98
_SURPRISES = 2.0
_ROUNDS = 3
# A failure that lacks an attribute but fits is explained nearly as well as one that is known to be inside.
_FITTING = 0.9
# A signature belongs to an explanation when two machines show it and chance would do so once in so many times.
_FEWEST_OWN = 2
_LUCK = 0.001
_PLACES = ("site", "subnet", "gateway", "vlan", "switch")


def _most_rate(reached: float) -> float:
    """How often so many boots can show at most that a fault makes them fail."""
    return max(_MOST_RATE, 1.0 - _SURPRISES / max(1.0, reached))


def _at_least(count: int, expected: float) -> float:
    """Chance of at least so many where so many are expected (Poisson)."""
    below = fsum(exp(n * log(expected) - expected - lgamma(n + 1)) for n in range(count))
    return max(0.0, 1.0 - below)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A chosen condition. `rates` holds, by code of signature, how often it makes a boot fail that way.

    Attributes:
        failed: rows inside, in its period, that failed with one of its signatures.
        fitting: rows that failed so, in its period, and lack an attribute but fit as far as is known.
        reached: boots inside, in its period, that could have failed so.
        tables: the rates as arrays, by signatures that count as one, as far as they were asked for.
    """

    found: Found
    signatures: frozenset[int]
    failed: Places
    fitting: Places
    reached: float
    rates: Mapping[int, float]
    tables: dict[frozenset[int], Reals] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def condition(self) -> Condition:
        """The items of the condition."""
        return self.found.condition


class Model:
    """The chosen explanations and the background, refitted whenever one comes or goes."""

    def __init__(self, ground: Ground, priors: Priors, at_least: float) -> None:
        self.ground = ground
        self.priors = priors
        self.at_least = at_least
        self.chosen: list[Explanation] = []
        # Scores can be compared only against one and the same background.
        self.background_is_fixed = False
        self.surviving: Reals = np.ones(ground.table.size)
        self.background = self._background()
        self._views: dict[Node, tuple[View, Codes, frozenset[int]]] = {}

    def view(self, node: Node, beside: Sequence[Explanation] | None = None) -> View:
        """The boots as seen from this node, beside what is chosen or beside these explanations."""
        if node not in self._views:
            codes = self.ground.signature_codes(node)
            failed = self.ground.failed[self.ground.shows(codes.tolist())[self.ground.failed]]
            costs = Costs(self.ground, self.priors, node)
            view = View(self.ground, costs, node, failed, self.ground.passed(node))
            self._views[node] = view, codes, frozenset(codes.tolist())
        view, codes, together = self._views[node]
        surviving = self._surviving(self.chosen if beside is None else beside, together)
        view.explain_with(surviving, float(min(_MOST_BACKGROUND, self.background[codes].sum())))
        return view

    def add(self, found: Found) -> Explanation:
        """Take in what was found, with the signatures of its kin that show in the same boots."""
        codes = frozenset(int(code) for code in self.ground.signature_codes(found.node))
        more = frozenset(code for code in self._kin(found.node) - codes if self._shows(found, code))
        explanation = self._measured(self._widened(found, codes | more) if more else found, codes | more)
        self.chosen.append(explanation)
        self.refit()
        return explanation

    def _widened(self, found: Found, codes: frozenset[int]) -> Found:
        """The same condition judged anew with more signatures, which can show its onset better."""
        names = frozenset(self.ground.table.signatures[code] for code in codes)
        wider = self.view(Node(found.node.name, names)).exact(found.condition, 1)
        return wider if wider is not None and wider.score > found.score else found

    def remove(self, explanation: Explanation) -> None:
        """Take it out again."""
        self.chosen = [one for one in self.chosen if one.found is not explanation.found]
        self.refit()

    def replace(self, chosen: Iterable[Explanation]) -> None:
        """Go back to what was chosen before."""
        self.chosen = list(chosen)
        self.refit()

    def refit(self) -> None:
        """Background and rates anew: a failure counts for each of its causes as far as it is likely to be its own."""
        for _ in range(_ROUNDS):
            self.surviving = self._surviving(self.chosen)
            if not self.background_is_fixed:
                self.background = self._background()
            self.chosen = [self._refitted(one) for one in self.chosen]
        self.surviving = self._surviving(self.chosen)

    def _surviving(self, chosen: Iterable[Explanation], together: frozenset[int] = frozenset()) -> Reals:
        """By row, the chance that none of these makes it fail the way it did.

        With signatures `together` only of rows that failed with one of them, which count as one.
        """
        surviving = np.ones(self.ground.table.size)
        for one in chosen:
            if together and not together & one.signatures:
                continue
            surviving[one.failed] *= 1.0 - self._rates(one, one.failed, together)
            if len(one.fitting):
                surviving[one.fitting] *= 1.0 - _FITTING * self._rates(one, one.fitting, together)
        return surviving

    def _rates(self, explanation: Explanation, rows: Places, together: frozenset[int] = frozenset()) -> Reals:
        table = explanation.tables.get(together)
        if table is None:
            table = explanation.tables[together] = self._rate_table(explanation, together)
        rates: Reals = table[self.ground.table.outcomes[rows]]
        return rates

    def _rate_table(self, explanation: Explanation, together: frozenset[int]) -> Reals:
        """How often it makes a boot fail, by code of signature."""
        table = np.zeros(len(self.ground.table.signatures))
        table[list(explanation.rates)] = list(explanation.rates.values())
        if together:
            joined = list(together & explanation.signatures)
            # What failed with one of the other signatures could not fail with these any more.
            left = 1.0 - sum(rate for code, rate in explanation.rates.items() if code not in together)
            table[joined] = min(_most_rate(explanation.reached), table[joined].sum() / max(left, 1e-3))
        return table

    def _background(self) -> Reals:
        """By signature, how often boots fail so with no explanation behind it."""
        ground = self.ground
        outcomes = ground.table.outcomes[ground.failed]
        before = getattr(self, "background", np.full(len(ground.table.signatures), 0.01))[outcomes]
        own = before / (1.0 - (1.0 - before) * self.surviving[ground.failed])
        total = np.bincount(outcomes, weights=own, minlength=len(ground.table.signatures))
        reached = float(ground.counts[ground.healthy].sum()) + len(ground.failed)
        shares: Reals = np.clip((total + 0.5) / max(1, reached), _LEAST_BACKGROUND, _MOST_BACKGROUND)
        return shares

    def _measured(self, found: Found, codes: frozenset[int]) -> Explanation:
        """The rows that the condition covers in its period, for these signatures."""
        ground, verdict = self.ground, found.verdict
        rows = ground.rows_in(found.condition)
        rows = rows[(rows >= verdict.start) & (rows < verdict.end)]
        so = ground.shows(codes) & (ground.weights > 0)
        failed = rows[so[rows]]
        names = frozenset(ground.table.signatures[code] for code in codes)
        reached = len(failed) + float(ground.counts[rows[ground.passed(Node("", names))[rows]]].sum())
        fitting = self._fitting(found, np.flatnonzero(so), rows)
        rates = {code: self._share(ground.table.outcomes[failed] == code, reached) for code in codes}
        return Explanation(found, codes, failed, fitting, reached, rates)

    def _share(self, chosen: Flags, reached: float) -> float:
        return float(min(_most_rate(reached), chosen.sum() / max(1, reached)))

    def _fitting(self, found: Found, failed: Places, rows: Places) -> Places:
        """Failures that lack an attribute, fit the rest, and stand where boots inside stand."""
        verdict = found.verdict
        failed = failed[(failed >= verdict.start) & (failed < verdict.end)]
        fitting = self.ground.rows_maybe_in(found.condition, failed)
        for name in _PLACES:
            codes = self.ground.codes.get(name)
            if codes is not None and len(fitting):
                # The last place is that of MISSING.
                seen = np.zeros(len(self.ground.table.columns[name].values) + 1, dtype=np.bool_)
                seen[codes[rows]] = True
                seen[MISSING] = True
                fitting = fitting[seen[codes[fitting]]]
        return fitting

    def trimmed(self, explanation: Explanation) -> Explanation:
        """Without the signatures that show inside no oftener than anywhere, what others explain left out."""
        kept = frozenset(code for code in explanation.signatures if self._is_own(explanation, code))
        if not kept or kept == explanation.signatures:
            return explanation
        return self._refitted(self._measured(explanation.found, kept))

    def _is_own(self, explanation: Explanation, code: int) -> bool:
        """Whether chance and the other explanations would hardly let so many boots inside fail so."""
        ground = self.ground
        failed = explanation.failed[ground.table.outcomes[explanation.failed] == code]
        if ground.machines(failed) < _FEWEST_OWN:
            return False
        expected = float(self.background[code]) * explanation.reached
        inside = self._reached(explanation)
        for other in self.chosen:
            if other.found is not explanation.found and code in other.signatures:
                shared = np.intersect1d(inside, self._reached(other), assume_unique=True)
                expected += other.rates[code] * float(ground.counts[shared].sum())
        return _at_least(len(failed), expected) < _LUCK

    def _reached(self, explanation: Explanation) -> Places:
        """Rows inside, in its period, that failed so or got past it."""
        ground, verdict = self.ground, explanation.found.verdict
        rows = ground.rows_in(explanation.condition)
        rows = rows[(rows >= verdict.start) & (rows < verdict.end)]
        names = frozenset(ground.table.signatures[code] for code in explanation.signatures)
        return np.union1d(rows[ground.passed(Node("", names))[rows]], explanation.failed)

    def _kin(self, node: Node) -> frozenset[int]:
        names = self.ground.stages.kin(node.signatures)
        return frozenset(n for n, name in enumerate(self.ground.table.signatures) if name in names)

    def _shows(self, found: Found, code: int) -> bool:
        """Whether at least two machines inside fail with this signature, far beyond its background."""
        alone = self._measured(found, frozenset({code}))
        if self.ground.machines(alone.failed) < 2:
            return False
        return len(alone.failed) / max(1, alone.reached) > 10 * float(self.background[code])

    def _refitted(self, explanation: Explanation) -> Explanation:
        rows = explanation.failed
        outcomes = self.ground.table.outcomes[rows]
        rates = self._rates(explanation, rows)
        chance = 1.0 - (1.0 - self.background[outcomes]) * self.surviving[rows]
        own = np.minimum(1.0, rates / np.maximum(chance, 1e-9))
        shares = {
            code: float(min(_most_rate(explanation.reached), own[outcomes == code].sum() / max(1, explanation.reached)))
            for code in explanation.signatures
        }
        if len(shares) > 1:
            total = sum(shares.values())
            scale = self._together(explanation) / total if total else 1.0
            shares = {code: share * scale for code, share in shares.items()}
        return replace(explanation, rates=shares)

    def _together(self, explanation: Explanation) -> float:
        """How often it makes a boot fail with any of its signatures.

        Each signature by itself leaves the background the more, the more of them there are; of all boots that fail
        so it explains no less for that.
        """
        rows, codes = explanation.failed, explanation.signatures
        others = self._surviving((one for one in self.chosen if one.found is not explanation.found), codes)[rows]
        rate = min(_most_rate(explanation.reached), sum(explanation.rates.values()))
        background = min(_MOST_BACKGROUND, float(self.background[list(codes)].sum()))
        chance = 1.0 - (1.0 - background) * (1.0 - rate) * others
        own = np.minimum(1.0, rate / np.maximum(chance, 1e-9))
        return float(min(_most_rate(explanation.reached), own.sum() / max(1, explanation.reached)))
