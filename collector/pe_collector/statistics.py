"""How surprising is it that these boots fail more often than the others, and how well is a rate known?

Counts are boots. Logarithms are natural.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, inf, lgamma, log, log1p

# A fraction settles after some ten terms, with a million boots after some hundred.
_CONTINUED = 100_000
_SETTLED = 1e-15
_TINY = 1e-300
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Counts:
    """A two by two table: failures and boots inside a group, failures and boots outside it."""

    failed: int
    boots: int
    failed_elsewhere: int
    boots_elsewhere: int


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


def exact_interval(failed: int, boots: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a rate (Clopper and Pearson 1934); the whole range when there are no boots."""
    if not boots:
        return 0.0, 1.0
    tail = (1.0 - level) / 2.0
    low = _quantile(tail, failed, boots - failed + 1) if failed else 0.0
    high = _quantile(1.0 - tail, failed + 1, boots - failed) if failed < boots else 1.0
    return low, high


def _quantile(chance: float, a: float, b: float) -> float:
    """Where the beta distribution has this much of its mass to the left."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if beta_mass(middle, a, b) < chance else (low, middle)
    return (low + high) / 2.0


def beta_mass(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_mass(1.0 - x, b, a)
    front = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    return front / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), by the modified method of Lentz, until a further term changes nothing."""
    value = above = 1.0
    below = 0.0
    for n in range(1, _CONTINUED):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1.0 / (1.0 + term * below or _TINY)
        above = 1.0 + term / above or _TINY
        value *= above * below
        if abs(above * below - 1.0) < _SETTLED:
            break
    return value
