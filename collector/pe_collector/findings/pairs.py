"""Does the same machine fail with one image, server or port and work with another?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations

from pe_collector.boots import Boot
from pe_collector.engine.paired import Pairing, compare
from pe_collector.findings.pattern import Pattern
from pe_collector.findings.rows import Ground, Seen, ground_of
from pe_collector.findings.stages import fault_of
from pe_collector.statistics import Counts

KIND = "pair"
# What one machine can try in two ways.
_TRIED = ("image", "server", "port", "adapter_hardware")
_MOST_VALUES = 6
_FEWEST_MACHINES = 4
# Chance of so uneven a split, corrected for all pairs that were compared. Four machines alone can only reach 0.125.
_ALPHA = 0.05


def pairs(seen: Seen, explained: Iterable[Pattern]) -> list[Pattern]:
    """Pairs of values that the same machines tell apart, among the boots that no other pattern explains."""
    explained = list(explained)
    told = [(frozenset(one.signature), frozenset(one.machines)) for one in explained]
    ground = ground_of(seen, lambda boot: None if _is_told(boot, told) else fault_or_well(boot))
    if not any(ground.signatures):
        return []
    compared = [*_compared(ground)]
    strong = [
        pairing
        for pairing in compared
        if pairing.only_worse >= _FEWEST_MACHINES
        and pairing.p_value * len(compared) <= _ALPHA
        and all(one.conditions.get(pairing.attribute) != pairing.worse for one in explained)
    ]
    best = {(p.attribute, p.worse): p for p in sorted(strong, key=lambda p: (-p.p_value, p.better))}
    return [_pattern(ground, pairing, len(compared)) for pairing in best.values()]


def _is_told(boot: Boot, told: Iterable[tuple[frozenset[str], frozenset[str]]]) -> bool:
    """Whether a pattern (signatures, machines) says why this boot failed; a retry too, which it does not count."""
    fault = fault_of(boot)
    return any(fault in signatures and boot.machine_id in machines for signatures, machines in told)


def fault_or_well(boot: Boot) -> str | None:
    """The fault of a boot, '' for one that went on, None for one of which neither is known."""
    fault = fault_of(boot)
    return fault if fault or boot.healthy or boot.outcome in ("healthy", "warning") else None


def paired_with(seen: Seen, pattern: Pattern) -> list[str]:
    """What the same machines say of the conditions of a pattern: sentences, the surest first."""
    if pattern.conditions.keys().isdisjoint(_TRIED):
        return []
    signatures = set(pattern.signature)
    ground = ground_of(seen, lambda boot: fault_or_well(boot) if fault_of(boot) in {"", *signatures} else None)
    found = [
        pairing
        for name in _TRIED
        if name in pattern.conditions and name in ground.table.columns
        for other in _values(ground, name)
        if other != pattern.conditions[name]
        and (pairing := compare(ground.table, name, pattern.conditions[name], other)) is not None
        and pairing.worse == pattern.conditions[name]
        and pairing.only_worse
    ]
    return [f"{p.sentence} (p = {p.p_value:.2g})" for p in sorted(found, key=lambda p: (p.p_value, p.better))]


def _compared(ground: Ground) -> Iterator[Pairing]:
    for name in _TRIED:
        for one, other in combinations(_values(ground, name), 2):
            pairing = compare(ground.table, name, one, other)
            if pairing is not None and pairing.only_worse + pairing.only_better:
                yield pairing


def _values(ground: Ground, name: str) -> list[str]:
    column = ground.table.columns.get(name)
    if column is None:
        return []
    counted = Counter(boot.attributes[name] for boot in ground.boots if boot.attributes.get(name))
    return sorted(sorted(counted), key=lambda value: -counted[value])[:_MOST_VALUES]


def _pattern(ground: Ground, pairing: Pairing, compared: int) -> Pattern:
    tried = [n for n, boot in enumerate(ground.boots) if boot.attributes.get(pairing.attribute) == pairing.worse]
    better = [n for n, boot in enumerate(ground.boots) if boot.attributes.get(pairing.attribute) == pairing.better]
    both = {ground.boots[n].machine_id for n in tried} & {ground.boots[n].machine_id for n in better}
    worse_rows, better_rows = ([n for n in rows if ground.boots[n].machine_id in both] for rows in (tried, better))
    failed = tuple(ground.boots[n] for n in worse_rows if ground.signatures[n])
    shown = Counter(ground.signatures[n] for n in worse_rows if ground.signatures[n])
    names = sorted(sorted(shown), key=lambda name: -shown[name])
    failed_better = sum(bool(ground.signatures[n]) for n in better_rows)
    return Pattern(
        id=_identifier(pairing),
        kind=KIND,
        signature=tuple(names),
        conditions={pairing.attribute: pairing.worse},
        target="",
        counts=Counts(len(failed), len(worse_rows), failed_better, len(better_rows)),
        score=0.0,
        p_value=min(1.0, pairing.p_value * compared),
        machines=tuple(sorted({boot.machine_id for boot in failed})),
        failed=failed,
        looked_at=compared,
        said=pairing.sentence,
    )


def _identifier(pairing: Pairing) -> str:
    text = "\n".join((KIND, pairing.attribute, pairing.worse, pairing.better))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
