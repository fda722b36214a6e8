"""What do the other methods get? The same boots: retries left out, gaps filled, prefixes of each length as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pe_collector.engine.ground import Ground
from pe_collector.engine.nodes import stages

from benchmarks.correlation.extras import own_prefix
from benchmarks.correlation.faults import Flags, Target
from benchmarks.correlation.fleet import Ints
from benchmarks.correlation.run import SIGNATURES, Run

_LENGTHS = range(17, 27)
# Failures that one method is asked about at a time: the classes of nodes.toml, and each signature in none.
GROUPS = (
    frozenset({"late-address", "apipa-only"}),
    next(node.signatures for node in stages().classes if node.name == "no path to the server") & set(SIGNATURES),
    *(frozenset({name}) for name in ("no-network-driver", "architecture-mismatch", "wds-images-unreadable")),
    *(frozenset({name}) for name in ("disk-missing", "stopped-by-user")),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns of codes (-1 missing), by attribute; `rows` are the table's rows that are in it."""

    codes: Mapping[str, Ints]
    rows: Ints
    run: Run

    def group(self, signatures: frozenset[str]) -> tuple[Flags, Flags]:
        """Which rows failed so, and which got that far."""
        outcomes = self.run.table.outcomes[self.rows]
        failed = np.isin(outcomes, [SIGNATURES.index(name) for name in signatures])
        last = max(stages().of(name) for name in signatures)
        passed = np.array([True] + [stages().of(name) > last for name in SIGNATURES[1:]])
        return failed, failed | passed[outcomes]

    def target(self, items: Mapping[str, int]) -> Target:
        """The items as a target in the simulator's own numbers; of several prefixes the longest."""
        target: dict[str, int | tuple[int, int]] = {}
        for name, code in sorted(items.items()):
            if name.startswith("prefix"):
                length = int(name.removeprefix("prefix"))
                target["prefix"] = code << (32 - length), length
            else:
                target[name] = int(self.run.table.columns[name].values[code])
        return target


def frame_of(run: Run) -> Frame:
    """The frame of a run."""
    ground = Ground(run.table, stages(), 1800.0)
    rows = np.flatnonzero(ground.ok | (ground.weights > 0))
    codes = {name: column.codes[rows].astype(np.int64) for name, column in ground.table.columns.items()}
    addresses = ground.table.addresses
    if addresses is not None:
        numbers = np.array([own_prefix(*number, 0)[0] for number in addresses.numbers], dtype=np.int64)
        ranks = addresses.ranks[rows]
        for length in _LENGTHS:
            codes[f"prefix{length}"] = np.where(ranks >= 0, numbers[ranks] >> (32 - length), -1)
    return Frame(codes, rows, run)
