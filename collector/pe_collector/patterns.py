"""What do the boots that fail have in common that the healthy ones have not?

For each signature, every prefix over the failing addresses, every attribute's value and every pair of them is a
candidate. The one with the largest log-likelihood ratio minus the cost of its description wins, what it explains
is set aside, and the search goes on. A Fisher exact test, corrected for all candidates looked at, keeps chance out.
"""

from __future__ import annotations

import functools
import hashlib
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pe_collector.candidates import Boot, Fleet, View, places
from pe_collector.causes import Hit, Settings, find_causes
from pe_collector.prefixes import bitset
from pe_collector.sentences import host_of, pattern_sentence, pattern_to_json
from pe_collector.statistics import Counts

__all__ = ["Boot", "Pattern", "Settings", "find_patterns", "pattern_sentence", "pattern_to_json"]

# Share of the boots that must agree before a pattern names their server, or takes in another signature.
_NEARLY_ALL = 0.9
_SAME_BOOTS = 0.8


@dataclass(frozen=True, slots=True)
class Pattern:
    """A group of boots that fails the same way; counts are boots, times are Unix seconds by the collector's clock.

    Attributes:
        onset_s: first failure after a healthy period; None when the boots seen do not go back to one.
        ended_s: first healthy boot after the last failure of the period; None while it lasts.
        last_healthy_s: last healthy boot before the onset.
        p_value: one-sided Fisher exact test times the number of candidates looked at.
        same_boots: further conditions that hold exactly the same boots, so that nothing here can tell them apart.
    """

    id: str
    signature: tuple[str, ...]
    conditions: Mapping[str, str]
    target: str
    counts: Counts
    score: float
    p_value: float
    machines: tuple[str, ...]
    first_failed: Boot
    last_failed: Boot
    onset_s: float | None = None
    ended_s: float | None = None
    last_healthy: Boot | None = None
    same_boots: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """`explained` are the boots of the other causes with this signature: no measure of how the rest fare."""

    hit: Hit
    explained: int
    also: tuple[str, ...] = ()

    @property
    def counts(self) -> Counts:
        return self.hit.counts(without=self.explained & ~self.hit.inside)

    @property
    def score(self) -> float:
        return self.hit.score(self.counts)


def find_patterns(boots: Sequence[Boot], settings: Settings | None = None) -> tuple[Pattern, ...]:
    """Every group of boots that fails the same way more often than chance allows, the clearest first."""
    fleet = Fleet(boots)
    found: list[_Found] = []
    for signature in sorted({s for boot in fleet.boots for s in boot.failures}):
        causes = find_causes(fleet, signature, settings or Settings())
        found += [_Found(hit, _union(other.inside for other in causes if other is not hit)) for hit in causes]
    folded = _folded(fleet, sorted(found, key=_clearest))
    return tuple(_pattern(fleet, one) for one in sorted(folded, key=_clearest))


def _clearest(found: _Found) -> tuple[float, str, tuple[int, int, str]]:
    return -found.score, found.hit.signature, found.hit.candidate.order


def _union(sets: Iterable[int]) -> int:
    return functools.reduce(operator.or_, sets, 0)


def _folded(fleet: Fleet, found: Sequence[_Found]) -> list[_Found]:
    """One cause can show as several signatures, in the same boots or in others that meet the same conditions."""
    kept: list[_Found] = []
    for one in found:
        places_in_kept = range(len(kept))
        same = next((n for n in places_in_kept if _same_boots(fleet, one.hit, kept[n].hit)), None)
        alike = next((n for n in places_in_kept if _same_conditions(one.hit, kept[n].hit)), None)
        if same is not None:
            kept[same] = replace(kept[same], also=(*kept[same].also, one.hit.signature))
        elif alike is not None:
            kept[alike] = _joined(fleet, kept[alike], one)
        else:
            kept.append(one)
    return kept


def _same_boots(fleet: Fleet, hit: Hit, leader: Hit) -> bool:
    failed = places(hit.inside & hit.view.failing, fleet.size)
    shared = [n for n in failed if leader.inside >> n & 1 and leader.signature in fleet.boots[n].failures]
    return leader.signature != hit.signature and len(shared) >= _SAME_BOOTS * len(failed)


def _same_conditions(hit: Hit, leader: Hit) -> bool:
    """Also at the same time: most boots of the shorter period lie in the longer one."""
    shorter = min(hit.inside.bit_count(), leader.inside.bit_count())
    return hit.candidate.items == leader.candidate.items and 2 * (hit.inside & leader.inside).bit_count() >= shorter


def _joined(fleet: Fleet, leader: _Found, other: _Found) -> _Found:
    """Both signatures counted as one; a boot that is a retry for either stays out."""
    one, two = leader.hit, other.hit
    failing = one.view.failing | two.view.failing
    signatures = {one.signature, two.signature, *leader.also}
    failed = bitset([n for n, boot in enumerate(fleet.boots) if signatures & boot.failures.keys()], fleet.size)
    population = (one.view.population | two.view.population) & ~(failed & ~failing)
    inside = (one.inside | two.inside) & population
    beyond = (one.beyond | two.beyond) & population & ~inside
    candidate = replace(one.candidate, outside=one.candidate.outside | two.candidate.outside)
    hit = replace(one, candidate=candidate, view=View(population, failing), inside=inside, beyond=beyond)
    return _Found(hit, leader.explained | other.explained, (*leader.also, two.signature))


def _pattern(fleet: Fleet, found: _Found) -> Pattern:
    hit = found.hit
    failed = [fleet.boots[n] for n in places(hit.inside & hit.view.failing, fleet.size)]
    healthy = [fleet.boots[n] for n in places(hit.beyond & ~hit.view.failing, fleet.size)]
    ended = bool(hit.beyond >> hit.inside.bit_length())
    conditions = _conditions(hit, failed)
    return Pattern(
        id=_identifier(hit.signature, conditions),
        signature=(hit.signature, *sorted(set(found.also) - {hit.signature})),
        conditions=conditions,
        target=_shared(_targets(hit, failed)),
        counts=found.counts,
        score=found.score,
        p_value=hit.p_value(found.counts),
        machines=tuple(sorted({boot.machine_id for boot in failed})),
        first_failed=failed[0],
        last_failed=failed[-1],
        last_healthy=max((b for b in healthy if b.at_s <= failed[0].at_s), key=_at, default=None),
        onset_s=failed[0].at_s if hit.period.start else None,
        ended_s=min((b.at_s for b in healthy if b.at_s >= failed[-1].at_s), default=None) if ended else None,
        same_boots={item.name: item.value for item in hit.candidate.twins},
    )


def _at(boot: Boot) -> float:
    return boot.at_s


def _conditions(hit: Hit, failed: Sequence[Boot]) -> dict[str, str]:
    """The items, and always the server that was asked, where the failed boots agree on one."""
    conditions = {item.name: item.value for item in hit.candidate.items}
    if "server" not in conditions:
        named = _shared([boot.attributes.get("server", "") for boot in failed])
        server = named or host_of(_shared(_targets(hit, failed)))
        conditions |= {"server": server} if server else {}
    return conditions


def _targets(hit: Hit, failed: Sequence[Boot]) -> list[str]:
    return [boot.failures.get(hit.signature, "") for boot in failed]


def _shared(values: Sequence[str]) -> str:
    """The value on which nearly all that have one agree, else empty."""
    given = Counter(value for value in values if value)
    value, count = min(given.items(), key=lambda pair: (-pair[1], pair[0]), default=("", 0))
    return value if count >= _NEARLY_ALL * given.total() else ""


def _identifier(signature: str, conditions: Mapping[str, str]) -> str:
    text = "\n".join([signature, *(f"{name}={value}" for name, value in sorted(conditions.items()))])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
