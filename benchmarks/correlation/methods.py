"""The methods that are compared: each says the best conjunction, what it covers is set aside, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log

import numpy as np
import pandas as pd
import pysubgroup
from mlxtend.frequent_patterns import fpgrowth
from pe_collector.engine.greedy import Account, Settings
from pe_collector.engine.ground import PREFIX, Condition
from pe_collector.engine.statistics import fisher
from sklearn.tree import DecisionTreeClassifier

from benchmarks.correlation.faults import Flags, Target
from benchmarks.correlation.frame import GROUPS, Frame, frame_of
from benchmarks.correlation.run import Run
from benchmarks.correlation.scoring import Answer

Items = Mapping[str, int]
Best = Callable[[Frame, Flags, Flags], Items | None]
_MOST_ROUNDS = 5
_MOST_HEALTHY = 20_000
_ALPHA = 1e-6


def engine(run: Run) -> list[Answer]:
    """The collector's own."""
    account = Account(run.table, Settings())
    return [
        Answer(
            _target(run, account, one.condition),
            frozenset(run.table.signatures[code] for code in one.signatures),
            tuple(_target(run, account, other.condition) for other in account.alternatives(one)),
        )
        for one in account.explain()
    ]


def _target(run: Run, account: Account, condition: Condition) -> Target:
    target: dict[str, int | tuple[int, int]] = {}
    for item in condition:
        if item.attribute == PREFIX and run.table.addresses is not None:
            prefix = run.table.addresses.prefix_of(account.ground.prefixes[item.low, item.high])
            target["prefix"] = prefix.network, prefix.length
        else:
            target[item.attribute] = int(run.table.columns[item.attribute].values[item.low])
    return target


def covering(best: Best) -> Callable[[Run], list[Answer]]:
    """Sequential cover around a method that names one conjunction at a time."""

    def answers(run: Run) -> list[Answer]:
        frame = frame_of(run)
        return [Answer(frame.target(items), group) for group in GROUPS for items in _cover(frame, group, best)]

    return answers


def _cover(frame: Frame, group: frozenset[str], best: Best) -> list[Items]:
    failed, reached = frame.group(group)
    found: list[Items] = []
    for _ in range(_MOST_ROUNDS):
        if len(np.unique(frame.run.table.machines[frame.rows[failed & reached]])) < 4:
            break
        items = best(frame, failed, reached)
        if not items or not _holds(frame, items, failed, reached):
            break
        found.append(items)
        reached = reached & ~inside(frame, items)
    return found


def inside(frame: Frame, items: Items) -> Flags:
    """Rows that meet all the items."""
    meets = np.ones(len(frame.rows), dtype=np.bool_)
    for name, code in items.items():
        meets &= frame.codes[name] == code
    return meets


def _holds(frame: Frame, items: Items, failed: Flags, reached: Flags) -> bool:
    meets = inside(frame, items) & reached
    table = (int((meets & failed).sum()), int(meets.sum()), int((reached & failed).sum()), int(reached.sum()))
    machines = len(np.unique(frame.run.table.machines[frame.rows[meets & failed]]))
    return machines >= 4 and fisher(*table) < _ALPHA and table[0] > 0.15 * table[1]


def _sampled(failed: Flags, reached: Flags) -> Flags:
    """All failures and at most so many healthy boots: some of these methods do not end otherwise."""
    healthy = np.flatnonzero(reached & ~failed)
    keep = reached & failed
    keep[healthy[:: max(1, len(healthy) // _MOST_HEALTHY)]] = True
    return keep


def beam(measure: object) -> Best:
    """Beam search of depth 2 as pysubgroup does it."""

    def best(frame: Frame, failed: Flags, reached: Flags) -> Items | None:
        keep = _sampled(failed, reached)
        data = frame.pandas(keep)
        data["failed"] = failed[keep]
        target = pysubgroup.BinaryTarget("failed", True)  # noqa: FBT003 - this is its signature
        space = [s for s in pysubgroup.create_selectors(data, ignore=["failed"]) if s.attribute_value in _seen(data, s)]
        task = pysubgroup.SubgroupDiscoveryTask(data, target, space, result_set_size=1, depth=2, qf=measure)
        result = pysubgroup.BeamSearch(beam_width=20).execute(task).to_descriptions()
        return {s.attribute_name: int(s.attribute_value) for s in result[0][1].selectors} if result else None

    return best


def _seen(data: pd.DataFrame, selector: pysubgroup.EqualitySelector) -> set[object]:
    """Values that at least four failures have: others cannot win."""
    counts = data.loc[data["failed"], selector.attribute_name].value_counts()
    return set(counts[counts >= 4].index) - {""}


def growth(frame: Frame, failed: Flags, reached: Flags) -> Items | None:
    """FP-growth over the failures, then the largest risk ratio of at least 3."""
    columns = _frequent(frame, failed & reached, 0.1)
    sets = fpgrowth(pd.DataFrame({n: f[failed & reached] for n, (_, f) in enumerate(columns)}), 0.1, max_len=2)
    best, best_ratio = None, 3.0
    for places in sets["itemsets"]:
        items = dict(columns[n][0] for n in places)
        meets = inside(frame, items) & reached
        elsewhere = reached & ~meets
        ratio = _rate(failed, meets) / max(_rate(failed, elsewhere), 1e-4)
        if ratio > best_ratio:
            best, best_ratio = items, ratio
    return best


def _rate(failed: Flags, rows: Flags) -> float:
    return float((failed & rows).sum() / max(1, rows.sum()))


def _frequent(frame: Frame, rows: Flags, share: float) -> list[tuple[tuple[str, int], Flags]]:
    """Items that this share of the rows meet, and four of them at least."""
    columns = []
    for name, codes in frame.codes.items():
        values, counts = np.unique(codes[rows], return_counts=True)
        for value, count in zip(values, counts, strict=True):
            if value >= 0 and count >= max(4, share * rows.sum()):
                columns.append(((name, int(value)), codes == value))
    return columns


def contrast(frame: Frame, failed: Flags, reached: Flags) -> Items | None:
    """Two levels of contrast sets: a pair counts only if it beats both of its items (STUCCO)."""
    columns = _frequent(frame, failed & reached, 0.0)
    worth = [_surprise(failed, reached, flags) for _, flags in columns]
    order = np.argsort(worth)[::-1][:40]
    best = {columns[n][0][0]: columns[n][0][1] for n in order[:1]}
    best_worth = worth[order[0]] if len(order) else 0.0
    for n in order:
        for m in order:
            if n < m and columns[n][0][0] != columns[m][0][0]:
                both = _surprise(failed, reached, columns[n][1] & columns[m][1])
                if both > best_worth + 3.0:
                    best, best_worth = dict((columns[n][0], columns[m][0])), both
    return best or None


def _surprise(failed: Flags, reached: Flags, meets: Flags) -> float:
    """Log likelihood ratio of two rates against one; 0 when the rate inside is the lower."""
    a, b = int((failed & reached & meets).sum()), int((reached & meets).sum())
    c, d = int((failed & reached).sum()), int(reached.sum())
    if not b or b == d or a * d <= b * c:
        return 0.0
    return _fit(a, b) + _fit(c - a, d - b) - _fit(c, d)


def _fit(failed: int, boots: int) -> float:
    return sum(k * log(k / boots) for k in (failed, boots - failed) if k)


def tree(frame: Frame, failed: Flags, reached: Flags) -> Items | None:
    """The purest leaf of a decision tree over items, depth 4; only what it asks to be true is said."""
    keep = _sampled(failed, reached)
    columns = _frequent(frame, failed & reached, 0.02)
    if not columns:
        return None
    data = np.stack([flags[keep] for _, flags in columns], axis=1)
    fitted = DecisionTreeClassifier(criterion="entropy", max_depth=4, min_samples_leaf=4, random_state=0)
    leaves = fitted.fit(data, failed[keep]).apply(data)
    every = np.ones(len(leaves), dtype=np.bool_)
    worth = {leaf: _surprise(failed[keep], every, leaves == leaf) for leaf in set(leaves)}
    row = int(np.flatnonzero(leaves == max(worth, key=lambda leaf: worth[leaf]))[0])
    path = fitted.decision_path(data[row : row + 1]).indices
    asked = [fitted.tree_.feature[node] for node in path if fitted.tree_.feature[node] >= 0]
    return {columns[n][0][0]: columns[n][0][1] for n in asked if data[row, n]} or None


# Name -> method, and the largest run on which it is asked.
METHODS: Mapping[str, tuple[Callable[[Run], list[Answer]], int]] = {
    "pe-collector": (engine, 1_000_000),
    "pysubgroup beam, WRAcc": (covering(beam(pysubgroup.WRAccQF())), 10_000),
    "pysubgroup beam, chi2": (covering(beam(pysubgroup.ChiSquaredQF())), 10_000),
    "STUCCO-like, two levels": (covering(contrast), 100_000),
    "FP-growth, risk ratio": (covering(growth), 100_000),
    "decision tree": (covering(tree), 100_000),
}
