"""What explains the failures of one signature: a candidate, in the period in which it fails.

Greedy: the best candidate is chosen, narrowed if a part of it explains more, and what it explains is set aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from math import log

from pe_collector.candidates import Candidate, Fleet, View, candidates, conjunction, flags, places, span
from pe_collector.prefixes import bitset
from pe_collector.statistics import Counts, Period, bad_period, fisher_greater, log_likelihood_ratio

# The search times only the best candidates, and stops at this many causes of one signature.
_TIMED_CANDIDATES = 40
_MOST_CAUSES = 20
# A part of a group explains it better than the whole when the rest fails less than so often as the part.
_REST_AGAINST_PART = 0.75
# Share of the failed boots that must have got to a probe before it counts as their stage.
_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True)
class Settings:
    """What it takes to be a pattern.

    Attributes:
        machines: distinct machines that failed.
        retry_s: a machine that fails the same way again within so many seconds of the last time counts once.
        alpha: largest chance of a false pattern, after correction, for each signature.
        score: smallest log-likelihood ratio minus description cost.
        rate: smallest share of failures inside; also it must be twice the share elsewhere.
        alpha_without_one: the same chance when the machine that fails most is left out.
    """

    machines: int = 4
    retry_s: float = 600.0
    alpha: float = 0.01
    score: float = 4.0
    rate: float = 0.15
    alpha_without_one: float = 0.05


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate in its period. `inside` is cut to the period, `beyond` are its boots before and after."""

    signature: str
    candidate: Candidate
    view: View
    inside: int
    beyond: int
    period: Period
    boots: int
    looked_at: int = 1

    def counts(self, without: int = 0) -> Counts:
        """The table of this hit, boots `without` left out of both sides."""
        outside = self.candidate.outside | self.beyond
        return self.view.counts(self.inside & ~without, outside & ~without)

    def score(self, counts: Counts) -> float:
        """Log-likelihood ratio minus the cost of naming the candidate and the edges of its period."""
        return log_likelihood_ratio(counts) - self.candidate.cost - self.period.edges * log(self.boots)

    def p_value(self, counts: Counts) -> float:
        """Corrected (Bonferroni) for the candidates and the edges that could have been chosen."""
        return float(min(1.0, fisher_greater(counts) * self.looked_at * self.boots**self.period.edges))


def find_causes(fleet: Fleet, signature: str, settings: Settings) -> list[Hit]:
    """What the failures of this signature have in common, the strongest first."""
    view = _stage(fleet, signature, settings.retry_s)
    found: list[Hit] = []
    while len(found) < _MOST_CAUSES:
        hit = _strongest(fleet, signature, view, settings)
        if hit is None:
            break
        hit = _narrowed(fleet, hit, settings)
        found.append(hit)
        # Failures that lack an attribute but fit are not left over for a second pattern.
        doubtful = view.failing & ~hit.candidate.outside & ~hit.beyond
        rest = view.population & ~(hit.inside | doubtful)
        view = View(rest, view.failing & rest)
    return found


def _stage(fleet: Fleet, signature: str, retry_s: float) -> View:
    """The boots that got as far as this signature shows, healthy ones included, retries left out."""
    failed = [n for n, boot in enumerate(fleet.boots) if signature in boot.failures]
    needed = _needed_probes(fleet, failed)
    reached = [n for n, boot in enumerate(fleet.boots) if boot.healthy or needed <= boot.reached]
    latest: dict[str, float] = {}
    first: list[int] = []
    again: list[int] = []
    for n in failed:
        boot = fleet.boots[n]
        retry = boot.at_s - latest.get(boot.machine_id, float("-inf")) <= retry_s
        latest[boot.machine_id] = boot.at_s
        (again if retry else first).append(n)
    failing = bitset(first, fleet.size)
    return View((bitset(reached, fleet.size) | failing) & ~bitset(again, fleet.size), failing)


def _needed_probes(fleet: Fleet, failed: Sequence[int]) -> frozenset[str]:
    """Probes that answered in nearly all the failed boots and in most healthy ones: how far one must get."""
    counted = Counter(probe for n in failed for probe in fleet.boots[n].reached)
    healthy = [boot.reached for boot in fleet.boots if boot.healthy]
    usual = Counter(probe for reached in healthy for probe in reached)
    wanted = (probe for probe, count in counted.items() if count >= _NEARLY_ALL * len(failed))
    return frozenset(probe for probe in wanted if 2 * usual[probe] >= len(healthy))


def _strongest(fleet: Fleet, signature: str, view: View, settings: Settings) -> Hit | None:
    if view.failing.bit_count() < settings.machines:
        return None
    choices = candidates(fleet, view, settings.machines)
    best = sorted(choices, key=lambda c: (-c.gain(view), c.order))[:_TIMED_CANDIDATES]
    failing = flags(view.failing, fleet.size)
    hits = [replace(_timed(fleet, signature, view, c, failing), looked_at=len(choices)) for c in best]
    hits.sort(key=lambda h: (-round(h.score(h.counts()), 9), h.candidate.order))
    return next((hit for hit in hits if _holds(fleet, hit, settings)), None)


def _timed(fleet: Fleet, signature: str, view: View, candidate: Candidate, failing: bytes) -> Hit:
    inside = flags(candidate.inside, fleet.size)
    outcomes = bytes(compress(failing, inside))
    failures = list(compress(range(len(outcomes)), outcomes))
    elsewhere = view.counts(0, candidate.outside)
    background = elsewhere.failed_elsewhere / max(1, elsewhere.boots_elsewhere)
    period = bad_period(failures, len(outcomes), background)
    boots = list(compress(range(fleet.size), inside))
    if period.end < len(boots) and not _recovered(fleet, view, boots[period.end :]):
        period = Period(period.start, len(boots), period.edges - 1)
    within = candidate.inside & span(boots[period.start], boots[period.end - 1])
    return Hit(signature, candidate, view, within, candidate.inside & ~within, period, len(boots))


def _recovered(fleet: Fleet, view: View, boots: Iterable[int]) -> bool:
    """At least three healthy boots of two machines: one good boot does not end a fault."""
    machines = [fleet.boots[n].machine_id for n in boots if not view.failing >> n & 1]
    return len(machines) >= 3 and len(set(machines)) >= 2


def _holds(fleet: Fleet, hit: Hit, settings: Settings) -> bool:
    counts = hit.counts()
    if hit.score(counts) < settings.score or not counts.boots_elsewhere:
        return False
    rate, elsewhere = counts.failed / counts.boots, counts.failed_elsewhere / counts.boots_elsewhere
    if rate < settings.rate or rate < 2 * elsewhere or hit.p_value(counts) > settings.alpha:
        return False
    failed = Counter(fleet.boots[n].machine_id for n in places(hit.inside & hit.view.failing, fleet.size))
    if len(failed) < settings.machines:
        return False
    heaviest = min(failed, key=lambda m: (-failed[m], m))
    theirs = bitset([n for n in places(hit.inside, fleet.size) if fleet.boots[n].machine_id == heaviest], fleet.size)
    return hit.p_value(hit.counts(without=theirs)) <= settings.alpha_without_one


def _narrowed(fleet: Fleet, hit: Hit, settings: Settings) -> Hit:
    """A part of the hit that fails while the rest does not, else the hit: two faults can look like one broad one."""
    part = _strongest(fleet, hit.signature, View(hit.inside, hit.inside & hit.view.failing), settings)
    if part is None:
        return hit
    table = part.counts()
    if table.failed_elsewhere * table.boots >= _REST_AGAINST_PART * table.failed * table.boots_elsewhere:
        return hit
    names = {item.name for item in part.candidate.items}
    kept = tuple(item for item in hit.candidate.items if item.name not in names)
    failing = flags(hit.view.failing, fleet.size)
    wanted = (part.candidate.items, kept + part.candidate.items)
    choices = [conjunction(items, hit.view) for items in dict.fromkeys(wanted)]
    timed = [_timed(fleet, hit.signature, hit.view, c, failing) for c in choices if c.outside]
    parts = [replace(t, looked_at=hit.looked_at * part.looked_at) for t in timed]
    parts.sort(key=lambda h: (-round(h.score(h.counts()), 9), h.candidate.order))
    better = next((p for p in parts if _holds(fleet, p, settings)), None)
    return _narrowed(fleet, better, settings) if better and better.inside != hit.inside else hit
