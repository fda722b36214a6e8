import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_collector.statistics import Counts, bad_period, fisher_greater, log_likelihood_ratio, wilson_interval


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


def test_the_likelihood_ratio_of_equal_rates_is_zero_and_of_a_lower_rate_negative():
    assert log_likelihood_ratio(Counts(5, 10, 50, 100)) == pytest.approx(0.0, abs=1e-9)
    assert log_likelihood_ratio(Counts(6, 6, 0, 6)) == pytest.approx(12 * math.log(2))
    assert log_likelihood_ratio(Counts(0, 10, 50, 100)) < 0


def test_the_wilson_interval_gives_the_published_value():
    low, high = wilson_interval(10, 20)
    assert (low, high) == (pytest.approx(0.2993, abs=1e-4), pytest.approx(0.7007, abs=1e-4))
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(5, 5)[1] == pytest.approx(1.0)


def test_a_period_begins_at_the_first_failure_after_healthy_boots():
    period = bad_period(range(20, 26), 26, 0.01)
    assert (period.start, period.end, period.edges) == (20, 26, 1)


def test_a_period_has_both_edges_when_healthy_boots_follow():
    period = bad_period(range(30, 40), 100, 0.01)
    assert (period.start, period.end, period.edges) == (30, 40, 2)


def test_an_intermittent_fault_has_no_edges():
    period = bad_period(range(1, 60, 2), 60, 0.01)
    assert (period.start, period.end, period.edges) == (0, 60, 0)


def test_a_lone_failure_before_the_period_does_not_move_its_onset():
    assert bad_period([3, *range(50, 60)], 60, 0.02).start == 50
