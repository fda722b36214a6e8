"""How surprising is a table of counts? Exact tests and an interval; chances are natural, not logarithms."""

from __future__ import annotations

from math import exp, log1p, sqrt

from pe_collector.statistics import Counts, fisher_greater

_Z_95 = 1.959963984540054


def fisher(failed: int, boots: int, failed_in_all: int, boots_in_all: int) -> float:
    """Chance of at least so many failures inside, were all boots alike (Fisher's exact test, one-sided)."""
    return fisher_greater(Counts(failed, boots, failed_in_all - failed, boots_in_all - boots))


def corrected(chance: float, looked_at: int) -> float:
    """The chance that the best of so many candidates is so surprising (Sidak's correction)."""
    if chance >= 1.0:
        return 1.0
    return -expm1_of(looked_at * log1p(-chance))


def expm1_of(exponent: float) -> float:
    """exp(x) - 1, exact for small x and safe for large negative ones."""
    return exp(exponent) - 1.0 if exponent < -1e-5 else exponent


def interval(failed: int, boots: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson), quick enough for each row of a long table; 0 to 1 when there are no boots."""
    if not boots:
        return 0.0, 1.0
    rate, widening = failed / boots, _Z_95 * _Z_95 / boots
    middle = (rate + widening / 2) / (1 + widening)
    half = _Z_95 * sqrt(rate * (1 - rate) / boots + widening / (4 * boots)) / (1 + widening)
    return max(0.0, middle - half), min(1.0, middle + half)
