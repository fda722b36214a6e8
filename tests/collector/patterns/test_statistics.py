import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_collector.statistics import Counts, beta_mass, exact_interval, fisher_greater


def by_counting(counts):
    failed, boots = counts.failed + counts.failed_elsewhere, counts.boots + counts.boots_elsewhere
    tail = range(counts.failed, min(failed, counts.boots) + 1)
    ways = sum(math.comb(failed, k) * math.comb(boots - failed, counts.boots - k) for k in tail)
    return float(Fraction(ways, math.comb(boots, counts.boots)))


@pytest.mark.parametrize(
    ("table", "known"),
    [
        (Counts(3, 4, 1, 4), 17 / 70),  # Fisher's lady tasting tea
        (Counts(4, 4, 0, 4), 1 / 70),
        (Counts(6, 6, 0, 6), 1 / 924),
        (Counts(0, 5, 3, 5), 1.0),
        (Counts(8, 12, 1, 12), (495 * 12 + 220) / 1307504),
    ],
)
def test_fisher_gives_the_known_values(table, known):
    assert fisher_greater(table) == pytest.approx(known, rel=1e-9)


@given(st.tuples(*[st.integers(0, 40)] * 4))
def test_fisher_is_the_count_of_all_choices(numbers):
    a, b, c, d = numbers
    table = Counts(a, a + b, c, c + d)
    assert fisher_greater(table) == pytest.approx(by_counting(table), rel=1e-9)


def test_fisher_stays_in_range_for_large_tables():
    assert 0.0 <= fisher_greater(Counts(1000, 2000, 10, 18000)) < 1e-300
    assert fisher_greater(Counts(10, 10000, 10, 10000)) == pytest.approx(0.588, abs=0.01)


@pytest.mark.parametrize(
    ("failed", "boots", "low", "high"),
    [
        (0, 18, 0.0, 1 - 0.025 ** (1 / 18)),
        (6, 6, 0.025 ** (1 / 6), 1.0),
        (8, 10, 0.44390, 0.97479),  # Clopper and Pearson's own chart, read to five places by later tables
        (10, 20, 0.27196, 0.72804),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_exact_interval_gives_the_published_value(failed, boots, low, high):
    assert exact_interval(failed, boots) == pytest.approx((low, high), abs=1e-5)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_outside_the_exact_interval_the_count_is_rarer_than_one_in_forty(table):
    failed, boots = table
    low, high = exact_interval(failed, boots)
    at_least = sum(math.comb(boots, k) * low**k * (1 - low) ** (boots - k) for k in range(failed, boots + 1))
    assert at_least == pytest.approx(0.025, rel=1e-4)
    assert low < failed / boots <= high


def test_the_exact_interval_holds_for_very_many_boots():
    assert exact_interval(2, 4_100) == pytest.approx((5.908e-5, 1.7610e-3), rel=1e-3)
    low, high = exact_interval(50_000, 100_000)
    assert (low, high) == (pytest.approx(0.4969, abs=1e-4), pytest.approx(0.5031, abs=1e-4))


def test_the_mass_of_a_beta_distribution_is_that_of_the_binomial_tail():
    assert beta_mass(0.5, 3.0, 3.0) == pytest.approx(0.5)
    assert beta_mass(0.3, 1.0, 1.0) == pytest.approx(0.3)
    assert (beta_mass(0.0, 2.0, 2.0), beta_mass(1.0, 2.0, 2.0)) == (0.0, 1.0)
