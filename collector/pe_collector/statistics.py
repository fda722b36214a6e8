"""How surprising is it that these boots fail more often than the others, and since when do they?

Counts are boots. Logarithms are natural.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, inf, lgamma, log, sqrt

# Assumed rates of failure while a fault lasts: a hard one, and one that hits every other boot.
_RATES = (0.95, 0.5)
_BACKGROUND = (0.002, 0.1)


@dataclass(frozen=True, slots=True)
class Counts:
    """A two by two table: failures and boots inside a group, failures and boots outside it."""

    failed: int
    boots: int
    failed_elsewhere: int
    boots_elsewhere: int


@dataclass(frozen=True, slots=True)
class Period:
    """The bad stretch of a sequence of boots: `start` included, `end` excluded, and how many edges it has."""

    start: int
    end: int
    edges: int


def log_choose(n: int, k: int) -> float:
    """Logarithm of n over k; minus infinity when there is no such choice."""
    if not 0 <= k <= n:
        return -inf
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def fisher_greater(counts: Counts) -> float:
    """One-sided Fisher exact test: the chance of at least so many failures inside, were all boots alike."""
    inside, outside = counts.boots, counts.boots_elsewhere
    failed = counts.failed + counts.failed_elsewhere
    fewest = max(0, failed - outside)
    if counts.failed <= fewest:
        return 1.0
    whole = log_choose(inside + outside, failed)
    tail = range(counts.failed, min(failed, inside) + 1)
    terms = [log_choose(inside, k) + log_choose(outside, failed - k) - whole for k in tail]
    top = max(terms)
    return min(1.0, exp(top) * fsum(exp(term - top) for term in terms))


def log_likelihood_ratio(counts: Counts) -> float:
    """How much better two rates explain the table than one; negative when the rate inside is the lower one."""
    failed = counts.failed + counts.failed_elsewhere
    boots = counts.boots + counts.boots_elsewhere
    two = _fit(counts.failed, counts.boots) + _fit(counts.failed_elsewhere, counts.boots_elsewhere)
    gain = max(0.0, two - _fit(failed, boots))
    higher = counts.failed * counts.boots_elsewhere >= counts.failed_elsewhere * counts.boots
    return gain if higher else -gain


def _fit(failed: int, boots: int) -> float:
    good = boots - failed
    bad_part = failed * log(failed / boots) if failed else 0.0
    return bad_part + (good * log(good / boots) if good else 0.0)


def wilson_interval(failed: int, boots: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927); the whole range when there are no boots."""
    if not boots:
        return 0.0, 1.0
    z = 1.959963984540054
    rate, widening = failed / boots, z * z / boots
    middle = (rate + widening / 2) / (1 + widening)
    half = sqrt(rate * (1 - rate) * widening + widening * widening / 4) / (1 + widening)
    return max(0.0, middle - half), min(1.0, middle + half)


def bad_period(failures: Sequence[int], boots: int, background: float) -> Period:
    """Since when, and until when, boots fail: the likeliest stretch of a sequence in order of time.

    Args:
        failures: places (from 0, ascending) of the failed ones among `boots` boots.
        boots: length of the sequence.
        background: rate of failure of the other boots.

    An edge counts only if the healthy boots beyond it are worth more than the choice of a place for it.
    """
    bad = min(max(background, _BACKGROUND[0]), _BACKGROUND[1])
    periods = [_period_at(failures, boots, rate, bad) for rate in _RATES]
    return max(periods, key=lambda p: _period_gain(failures, boots, p))


def _period_at(failures: Sequence[int], boots: int, rate: float, background: float) -> Period:
    worth, price = log(rate / background), log((1 - background) / (1 - rate))
    first, last = _densest(failures, worth, price)
    needed = log(boots) + 1.0
    before = failures[first] * price - first * (worth + price)
    failed_after = len(failures) - last - 1
    after = (boots - failures[last] - 1) * price - failed_after * (worth + price)
    start = failures[first] if before >= needed else 0
    end = failures[last] + 1 if after >= needed else boots
    return Period(start, end, (start > 0) + (end < boots))


def _densest(failures: Sequence[int], worth: float, price: float) -> tuple[int, int]:
    """First and last failure of the stretch with the largest sum of `worth` a failure minus `price` a healthy boot."""
    best, best_range = -inf, (0, 0)
    total, begin = 0.0, 0
    for n, place in enumerate(failures):
        if n:
            total -= price * (place - failures[n - 1] - 1)
        if total < 0.0 or not n:
            total, begin = 0.0, n
        total += worth
        if total > best:
            best, best_range = total, (begin, n)
    return best_range


def _period_gain(failures: Sequence[int], boots: int, period: Period) -> float:
    failed = sum(period.start <= place < period.end for place in failures)
    length = period.end - period.start
    beyond = Counts(failed, length, len(failures) - failed, boots - length)
    return log_likelihood_ratio(beyond) - period.edges * log(boots)
