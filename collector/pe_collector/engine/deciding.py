"""Which boot would tell two conditions apart that fit nearly as well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pe_collector.engine.ground import Condition, Ground, Item
from pe_collector.engine.priors import Priors
from pe_collector.engine.table import MISSING, Flags, Places


@dataclass(frozen=True, slots=True)
class Deciding:
    """Boots that meet the one condition and not the other; of those seen so far, how many failed.

    Attributes:
        ever: how many rows of the table are such boots, at whatever time and however they ended.
    """

    meets: Condition
    lacks: tuple[Item, ...]
    failed: int
    boots: int
    ever: int


def deciding(
    ground: Ground, priors: Priors, pair: tuple[Condition, Condition], seen: tuple[Places, Flags, Flags]
) -> Deciding:
    """The boots to wait for: such as can exist, and of those the ones that were seen least.

    A /27 lies in its /26 and a switch in its site: no boot meets the inner one without the outer one.

    Args:
        ground: the boots.
        priors: which attributes lie in which.
        pair: the chosen condition and the other one.
        seen: rows of the time in question, and by row of the table whether it failed so and whether it got so far.
    """
    mine, other = pair
    ways = [(mine, _not_said(ground, priors, other, mine)), (other, _not_said(ground, priors, mine, other))]
    found = [_seen(ground, meets, lacks, seen) for meets, lacks in ways if lacks]
    if not found:
        return _seen(ground, mine, other, seen)
    return min(found, key=lambda way: (way.ever == 0, way.boots))


def _not_said(ground: Ground, priors: Priors, wanted: Condition, given: Condition) -> tuple[Item, ...]:
    """The wanted items that boots which meet the given ones need not meet."""
    return tuple(item for item in wanted if not any(_lies_in(ground, priors, own, item) for own in given))


def _lies_in(ground: Ground, priors: Priors, inner: Item, outer: Item) -> bool:
    if inner.attribute == outer.attribute:
        return outer.low <= inner.low and inner.high <= outer.high
    if not priors.within(inner.attribute, outer.attribute):
        return False
    codes = ground.codes[outer.attribute][ground.rows_of(inner)]
    known = codes[codes != MISSING]
    return bool(len(known)) and bool(((known >= outer.low) & (known < outer.high)).all())


def _seen(ground: Ground, meets: Condition, lacks: Sequence[Item], seen: tuple[Places, Flags, Flags]) -> Deciding:
    rows = ground.rows_in(meets)
    outside = np.zeros(len(rows), dtype=np.bool_)
    for item in lacks:
        codes = ground.codes[item.attribute][rows]
        outside |= (codes != MISSING) & ((codes < item.low) | (codes >= item.high))
    rows = rows[outside]
    period, failed, reached = seen
    counted = np.intersect1d(rows, period, assume_unique=True)
    boots = [round(float(ground.counts[counted[flags[counted]]].sum())) for flags in (failed, reached)]
    return Deciding(meets, tuple(lacks), boots[0], boots[1], len(rows))
