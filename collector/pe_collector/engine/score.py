"""How much likelier do boots fail as they did if a fault lies behind them? Natural logarithms throughout.

A boot fails with probability 1 - (1 - background) * product over the faults that cover it of (1 - rate). The rate of
a fault is not known: it is mixed over a grid that begins well above the background, so that a group that fails only
a little more often than others never wins. When it began is not known either: the mean over all its possible onsets
counts, not the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, log1p

import numpy as np
import numpy.typing as npt

from pe_collector.engine.table import Reals

RATES: Reals = np.array([0.15, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.995])
_LOG_MISS: Reals = np.log1p(-RATES)
_LOG_RATES = log(len(RATES))
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
        before: boots that got that far and did not fail, before each failure.
        healthy: the same in all.
    """

    failed_at: npt.NDArray[np.int64]
    gains: Reals
    before: Reals
    healthy: float

    @classmethod
    def among(cls, failed_at: npt.NDArray[np.int64], gains: Reals, healthy_at: npt.NDArray[np.int64]) -> Evidence:
        """The same from the places, ascending, of the boots that did not fail."""
        before = np.searchsorted(healthy_at, failed_at).astype(np.float64)
        return cls(failed_at, gains, before, float(len(healthy_at)))


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


@dataclass(frozen=True, slots=True)
class _Ratios:
    """Log likelihood ratios by failure and rate: of all boots up to it, of all before it, and of those from it on.

    `whole` and `begun` are the logarithms of the mean over the rates for a fault that was always there and for one that
    began with a failure.
    """

    through: Reals
    opening: Reals
    since: Reals
    whole: float
    begun: float
    boots: float

    @property
    def factor(self) -> float:
        """Of both."""
        return max(self.whole, self.begun) + log1p(exp(-abs(self.whole - self.begun)))


def _ratios(evidence: Evidence) -> _Ratios:
    before, gains = evidence.before, evidence.gains
    through = np.cumsum(gains, axis=0)
    through += before[:, None] * _LOG_MISS
    opening = through - gains
    whole_ratio = through[-1] + (evidence.healthy - before[-1]) * _LOG_MISS
    since = whole_ratio - opening
    boots = len(before) + evidence.healthy
    whole = _log_sum(whole_ratio) - _LOG_RATES + _LOG_ALWAYS
    begun = _log_sum(since) - _LOG_RATES - log(boots) + _LOG_BEGAN
    return _Ratios(through, opening, since, whole, begun, boots)


def judge(evidence: Evidence, size: int) -> Verdict:
    """The log Bayes factor of a fault behind this evidence, in a table of `size` rows."""
    if not len(evidence.failed_at):
        return Verdict(-inf, 0, size, began=False, ended=False)
    ratios = _ratios(evidence)
    ended = _with_end(evidence, ratios)
    if ended is not None:
        return ended
    start = 0 if ratios.whole >= ratios.begun else int(evidence.failed_at[_likeliest(ratios.since)[0]])
    return Verdict(ratios.factor, start, size, began=start > 0, ended=False)


def factor_of(evidence: Evidence) -> float:
    """The log Bayes factor alone."""
    if not len(evidence.failed_at):
        return -inf
    ratios = _ratios(evidence)
    ended = _with_end(evidence, ratios)
    return ratios.factor if ended is None else ended.factor


def _likeliest(ratios: Reals) -> tuple[int, float]:
    """The row with the largest mean over the rates, and its logarithm."""
    best_rate = ratios.max(axis=1)
    # The mean lies between the best rate's share and the best rate itself: no other row can win.
    rows = np.flatnonzero(best_rate >= best_rate.max() - _LOG_RATES)
    top = best_rate[rows]
    mixed = top + np.log(np.exp(ratios[rows] - top[:, None]).sum(axis=1)) - _LOG_RATES
    place = int(np.argmax(mixed))
    return int(rows[place]), float(mixed[place])


def _log_sum(values: Reals) -> float:
    top = values.max()
    return float(top) + log(np.exp(values - top).sum())


def _with_end(evidence: Evidence, ratios: _Ratios) -> Verdict | None:
    """The likeliest stretch from one failure to another, at the price of choosing both of its edges.

    None unless it beats a fault that lasts.
    """
    boots, factor, opening = ratios.boots, ratios.factor, ratios.opening
    price = _LOG_ENDED - log(boots)
    stretches = ratios.through - np.minimum.accumulate(opening, axis=0)
    if float(stretches.max()) + price <= factor:
        return None
    last, stretch = _likeliest(stretches)
    first = int(np.argmin(opening[: last + 1, int(np.argmax(stretches[last]))]))
    end = int(evidence.failed_at[last]) + 1
    begun = Verdict(stretch + price - log(boots), int(evidence.failed_at[first]), end, began=True, ended=True)
    always = Verdict(_log_sum(ratios.through[last]) - _LOG_RATES + price, 0, end, began=False, ended=True)
    best = max(begun, always, key=lambda verdict: verdict.factor)
    return best if best.factor > factor else None
