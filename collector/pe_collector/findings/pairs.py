"""Does the same machine fail with one image, server or port and work with another?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np

from pe_collector.engine.paired import Pairing, compare
from pe_collector.engine.table import HEALTHY, Flags
from pe_collector.findings.pattern import Pattern
from pe_collector.findings.rows import NOTHING, WELL, Ground, Seen, ground_of
from pe_collector.findings.shelf import FAULTS
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
    ground = ground_of(seen, np.where(_is_told(seen, explained), NOTHING, seen.faults), _TRIED)
    if not ground.signatures:
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


def _is_told(seen: Seen, explained: Iterable[Pattern]) -> Flags:
    """Whether a pattern says why a boot failed; a retry too, which it does not count."""
    told = np.zeros(len(seen.places), dtype=np.bool_)
    for one in explained:
        machines = [seen.shelf.machines.known(name) for name in one.machines]
        told |= np.isin(seen.said(FAULTS), _codes_of(seen, one)) & np.isin(seen.machines, machines)
    return told


def _codes_of(seen: Seen, pattern: Pattern) -> list[int]:
    """The numbers of its signatures."""
    known = map(seen.shelf.signatures.known, pattern.signature)
    return [code for code in known if code >= 0]


def paired_with(seen: Seen, pattern: Pattern) -> list[str]:
    """What the same machines say of the conditions of a pattern: sentences, the surest first."""
    if pattern.conditions.keys().isdisjoint(_TRIED):
        return []
    own = np.isin(seen.said(FAULTS), [WELL, *_codes_of(seen, pattern)])
    ground = ground_of(seen, np.where(own, seen.faults, NOTHING), _TRIED)
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
    counts = np.bincount(column.codes + 1, minlength=len(column.values) + 1)[1:]
    return [column.values[code] for code in np.argsort(-counts, kind="stable")[:_MOST_VALUES].tolist()]


def _pattern(ground: Ground, pairing: Pairing, compared: int) -> Pattern:
    column, outcomes = ground.table.columns[pairing.attribute], ground.table.outcomes
    tried = [np.flatnonzero(column.codes == column.values.index(value)) for value in (pairing.worse, pairing.better)]
    both = np.intersect1d(ground.machines(tried[0]), ground.machines(tried[1]))
    worse_rows, better_rows = (rows[np.isin(ground.machines(rows), both)] for rows in tried)
    failing = worse_rows[outcomes[worse_rows] != HEALTHY]
    failed = ground.boots(failing)
    shown = Counter(ground.signature(row) for row in failing.tolist())
    return Pattern(
        id=_identifier(pairing),
        kind=KIND,
        signature=tuple(sorted(sorted(shown), key=lambda name: -shown[name])),
        conditions={pairing.attribute: pairing.worse},
        target="",
        counts=Counts(
            len(failed), len(worse_rows), int(np.count_nonzero(outcomes[better_rows] != HEALTHY)), len(better_rows)
        ),
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
