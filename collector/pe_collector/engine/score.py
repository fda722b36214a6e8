"""How much likelier do boots fail as they did if a fault lies behind them? Natural logarithms throughout.

A boot fails with probability 1 - (1 - background) * product over the faults that cover it of (1 - rate). The rate of
a fault is not known: it is mixed over a grid that begins well above the background, so that a group that fails only
a little more often than others never wins. When it began is not known either: the mean over all its possible onsets
counts, not the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np
import numpy.typing as npt

from pe_collector.engine.table import Reals

RATES: Reals = np.array([0.15, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.995])
_LOG_MISS: Reals = np.log1p(-RATES)
# Before any boot is seen: half of all faults began before the first boot, few end before the last.
_LOG_ALWAYS = log(0.5)
_LOG_BEGAN = log(0.45)
_LOG_ENDED = log(0.05)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Boots that a fault would cover, in order of time: `gains` a row a failure and a column a rate.

    Attributes:
        failed_at: places of the failures in the table, ascending.
        gains: weight * log((p + q - p * q) / p), p the chance of the failure without this fault.
        healthy_at: places of the boots that got that far and did not fail, ascending.
    """

    failed_at: npt.NDArray[np.int64]
    gains: Reals
    healthy_at: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Log Bayes factor, and the likeliest period: places in the table, `end` excluded."""

    factor: float
    start: int
    end: int
    began: bool
    ended: bool


def gains_of(explained: Reals, weights: Reals) -> Reals:
    """What each failure says for a fault, for each rate; `explained` is its chance without the fault."""
    chance = explained[:, None]
    gains: Reals = weights[:, None] * np.log1p(RATES[None, :] * (1.0 - chance) / chance)
    return gains


def judge(evidence: Evidence, size: int) -> Verdict:
    """The log Bayes factor of a fault behind this evidence, in a table of `size` rows."""
    if not len(evidence.failed_at):
        return Verdict(-inf, 0, size, began=False, ended=False)
    suffix = _suffixes(evidence)
    by_onset = _mixed(suffix)
    whole = float(_mixed(suffix[0] + _before(evidence))) + _LOG_ALWAYS
    boots = len(evidence.failed_at) + len(evidence.healthy_at)
    begun = float(_log_sum(by_onset)) - log(boots) + _LOG_BEGAN
    first = int(np.argmax(by_onset))
    start = 0 if whole >= begun else int(evidence.failed_at[first])
    factor = float(np.logaddexp(whole, begun))
    ended = _with_end(evidence, boots)
    if ended.factor > factor:
        return ended
    return Verdict(factor, start, size, began=start > 0, ended=False)


def _before(evidence: Evidence) -> Reals:
    """What the healthy boots before the first failure say against each rate."""
    return _LOG_MISS * int(np.searchsorted(evidence.healthy_at, evidence.failed_at[0]))


def _suffixes(evidence: Evidence) -> Reals:
    """For each failure, taken as the first of the fault, the log likelihood ratio of all that follows."""
    failed = np.cumsum(evidence.gains[::-1], axis=0)[::-1]
    after = len(evidence.healthy_at) - np.searchsorted(evidence.healthy_at, evidence.failed_at)
    ratio: Reals = failed + after[:, None] * _LOG_MISS[None, :]
    return ratio


def _mixed(ratios: Reals) -> Reals:
    mixed: Reals = np.logaddexp.reduce(ratios, axis=-1) - log(len(RATES))
    return mixed


def _log_sum(values: Reals) -> float:
    return float(np.logaddexp.reduce(values))


def _with_end(evidence: Evidence, boots: int) -> Verdict:
    """The likeliest stretch from one failure to another, at the price of choosing both of its edges."""
    before = np.searchsorted(evidence.healthy_at, evidence.failed_at)
    gain_to = np.cumsum(evidence.gains, axis=0)
    miss_to = before[:, None] * _LOG_MISS[None, :]
    through = gain_to + miss_to
    opening = through - evidence.gains
    lowest = np.minimum.accumulate(opening, axis=0)
    ratios = _mixed(through - lowest)
    last = int(np.argmax(ratios))
    rate = int(np.argmax(through[last] - lowest[last]))
    first = int(np.argmin(opening[: last + 1, rate]))
    end = int(evidence.failed_at[last]) + 1
    price = _LOG_ENDED - log(boots)
    begun = Verdict(
        float(ratios[last]) + price - log(boots), int(evidence.failed_at[first]), end, began=True, ended=True
    )
    always = Verdict(float(_mixed(through[last])) + price, 0, end, began=False, ended=True)
    return max(begun, always, key=lambda verdict: verdict.factor)
