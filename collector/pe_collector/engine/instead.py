"""What can be said instead of an explanation, beginning with a first part of it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pe_collector.engine.ground import Condition
from pe_collector.engine.nodes import Node
from pe_collector.engine.table import Places
from pe_collector.engine.view import Found

if TYPE_CHECKING:
    from pe_collector.engine.greedy import Account

# A part of a whole covers less than this share of its boots.
_PART = 0.9


@dataclass(frozen=True, slots=True)
class Others:
    """What may be said instead of a few explanations, together with a first part of one.

    Attributes:
        most: explanations in all.
        rival: what they must be worth more than.
        failed: the failures that they were about.
        whole: only what covers a part of it is taken; None: anything.
    """

    most: int
    rival: float
    failed: Places
    whole: Condition | None


def continue_from(account: Account, first: Found, others: Others) -> float:
    """What it and a few more explanations of the same node are worth; all are taken in.

    Given up as soon as what is left open of the failures in question could not make it worth more than the rival:
    of all others nothing was worth saying, nor is it now, but for less than the threshold.
    """
    total = first.score
    account.model.add(first)
    whole = others.whole
    for _ in range(others.most - 1):
        left = account.model.view(first.node).most_of(others.failed)
        if total + left + account.settings.threshold <= others.rival:
            break
        found = _among(account, first.node, others.failed) if whole is None else _within(account, first.node, whole)
        best = max(found, key=lambda one: (one.score, one.condition), default=None)
        if best is None or best.score < account.settings.threshold:
            break
        total += best.score
        account.model.add(best)
    return total


def _among(account: Account, node: Node, failed: Places) -> list[Found]:
    view = account.model.view(node)
    view.leave_open_only(failed)
    search = account.searching(view)
    found = search.best()
    account.looked_at += search.looked_at
    return found


def _within(account: Account, node: Node, whole: Condition) -> list[Found]:
    rows = account.ground.rows_in(whole)
    found = account.searching(account.model.view(node)).within(whole)
    return [one for one in found if _share_of(account, rows, one) < _PART]


def _share_of(account: Account, rows: Places, found: Found) -> float:
    shared = np.intersect1d(account.ground.rows_in(found.condition), rows, assume_unique=True)
    return len(shared) / max(1, len(rows))
