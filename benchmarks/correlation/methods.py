"""The methods that are compared: each says the best conjunction of what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pysubgroup
from mlxtend.frequent_patterns import fpgrowth
from sklearn.tree import DecisionTreeClassifier

from benchmarks.correlation.covering import Best, Items, contrast, covering, frequent, inside, surprise
from benchmarks.correlation.faults import Flags
from benchmarks.correlation.frame import Frame
from benchmarks.correlation.own import engine
from benchmarks.correlation.run import Run
from benchmarks.correlation.scoring import Answer

_MOST_HEALTHY = 20_000


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
        data = _as_text(frame, keep)
        data["failed"] = failed[keep]
        target = pysubgroup.BinaryTarget("failed", True)  # noqa: FBT003 - this is its signature
        space = [s for s in pysubgroup.create_selectors(data, ignore=["failed"]) if s.attribute_value in _seen(data, s)]
        task = pysubgroup.SubgroupDiscoveryTask(data, target, space, result_set_size=1, depth=2, qf=measure)
        result = pysubgroup.BeamSearch(beam_width=20).execute(task).to_descriptions()
        return {s.attribute_name: int(s.attribute_value) for s in result[0][1].selectors} if result else None

    return best


def _as_text(frame: Frame, keep: Flags) -> pd.DataFrame:
    """A missing value is empty."""
    data = {name: np.where(codes[keep] >= 0, codes[keep].astype(str), "") for name, codes in frame.codes.items()}
    return pd.DataFrame(data, dtype=object)


def _seen(data: pd.DataFrame, selector: pysubgroup.EqualitySelector) -> set[object]:
    """Values that at least four failures have: others cannot win."""
    counts = data.loc[data["failed"], selector.attribute_name].value_counts()
    return set(counts[counts >= 4].index) - {""}


def growth(frame: Frame, failed: Flags, reached: Flags) -> Items | None:
    """FP-growth over the failures, then the largest risk ratio of at least 3."""
    columns = frequent(frame, failed & reached, 0.1)
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


def tree(frame: Frame, failed: Flags, reached: Flags) -> Items | None:
    """The purest leaf of a decision tree over items, depth 4; only what it asks to be true is said."""
    keep = _sampled(failed, reached)
    columns = frequent(frame, failed & reached, 0.02)
    if not columns:
        return None
    data = np.stack([flags[keep] for _, flags in columns], axis=1)
    fitted = DecisionTreeClassifier(criterion="entropy", max_depth=4, min_samples_leaf=4, random_state=0)
    leaves = fitted.fit(data, failed[keep]).apply(data)
    every = np.ones(len(leaves), dtype=np.bool_)
    worth = {leaf: surprise(failed[keep], every, leaves == leaf) for leaf in set(leaves)}
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
