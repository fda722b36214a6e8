"""How right is an answer? Exact: it covers the same boots as the fault, by the complete values; lenient: half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.correlation.faults import Target, covered
from benchmarks.correlation.fleet import WINDOW_S
from benchmarks.correlation.run import Run

# A fault that hit fewer machines is neither asked for nor held against who names it.
LEAST_MACHINES = 4
# A fault that fails less often is intermittent; one that shares so many boots with another overlaps it.
_STEADY = 0.65
_CROSSED = 5
LEVELS = {"exact": 1.0 - 1e-9, "lenient": 0.5}


@dataclass(frozen=True, slots=True)
class Answer:
    """One cause as a method names it; no signatures: any."""

    target: Target
    signatures: frozenset[str] = frozenset()
    alternatives: tuple[Target, ...] = ()
    onset_s: float | None = None


@dataclass(slots=True)
class Tally:
    """Counts of one level of strictness."""

    right: int = 0
    false: int = 0
    missed: int = 0
    of_kind: dict[str, list[int]] = field(default_factory=dict)
    onset_errors_s: list[float] = field(default_factory=list)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 when nothing was to be found and nothing was said."""
        total = 2 * self.right + self.false + self.missed
        return 2 * self.right / total if total else 1.0


def overlap(run: Run, answers: Sequence[Answer]) -> list[list[float]]:
    """Jaccard index by fault and answer, over the boots while the fault lasts; 0 when no signature agrees."""
    rows = []
    for fault in run.faults:
        active = (run.table.at_s >= fault.onset_s) & (run.table.at_s < fault.end_s)
        truth = covered(run.complete, fault.target) & active
        rows.append([_jaccard(run, truth, active, answer, frozenset(fault.signatures)) for answer in answers])
    return rows


def _jaccard(run: Run, truth: np.ndarray, active: np.ndarray, answer: Answer, signatures: frozenset[str]) -> float:
    if answer.signatures and not answer.signatures & signatures:
        return 0.0
    said = covered(run.complete, answer.target) & active
    union = int((said | truth).sum())
    return int((said & truth).sum()) / union if union else 0.0


def score(run: Run, answers: Sequence[Answer], tallies: dict[str, Tally]) -> list[bool]:
    """Add one run to the tallies, by level; returns which faults are named exactly."""
    matrix = overlap(run, answers)
    hit = [np.unique(run.table.machines[run.cause == n]).size for n in range(len(run.faults))]
    exact: list[bool] = []
    for level, least in LEVELS.items():
        cells = ((v, i, j) for i, row in enumerate(matrix) for j, v in enumerate(row))
        pairs = sorted((cell for cell in cells if cell[0] >= least), reverse=True)
        faults: set[int] = set()
        said: set[int] = set()
        for _, i, j in pairs:
            if i not in faults and j not in said:
                faults.add(i)
                said.add(j)
                if run.faults[i].onset_s > 0.0 and answers[j].onset_s is not None:
                    tallies.setdefault(level, Tally()).onset_errors_s.append(
                        abs(float(answers[j].onset_s or 0.0) - run.faults[i].onset_s)
                    )
        _count(run, tallies.setdefault(level, Tally()), (faults, said), (hit, len(answers)))
        exact = exact or [i in faults for i in range(len(run.faults))]
    return exact


def _count(run: Run, tally: Tally, found: tuple[set[int], set[int]], sizes: tuple[list[int], int]) -> None:
    faults, said = found
    hit, answers = sizes
    tally.false += answers - len(said)
    for i, fault in enumerate(run.faults):
        if hit[i] < LEAST_MACHINES:
            continue
        tally.right += i in faults
        tally.missed += i not in faults
        for trait in (fault.kind, *_traits(run, i)):
            counts = tally.of_kind.setdefault(trait, [0, 0])
            counts[0] += i in faults
            counts[1] += 1


def _traits(run: Run, number: int) -> list[str]:
    """What makes a fault hard to name besides its kind."""
    fault = run.faults[number]
    inside = covered(run.complete, fault.target)
    others = (covered(run.complete, other.target) for n, other in enumerate(run.faults) if n != number)
    crossed = any(int((inside & other).sum()) >= _CROSSED for other in others)
    traits = {
        "(intermittent)": fault.rate < _STEADY,
        "(ended)": fault.end_s < WINDOW_S,
        "(overlapping)": crossed,
        "(IPv6)": run.six,
    }
    return [name for name, holds in traits.items() if holds]
