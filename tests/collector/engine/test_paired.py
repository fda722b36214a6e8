import numpy as np
import pytest
from pe_collector.engine.paired import Tried, by_boots, compare, mcnemar
from pe_collector.engine.table import Row, table_of


def tried(boots, failed):
    return Tried(np.array(boots), np.array(failed))


@pytest.mark.parametrize(("more", "fewer"), [(4, 0), (10, 2), (7, 6), (0, 0)])
def test_where_each_value_was_tried_once_both_tests_are_the_same(more, fewer):
    """Machines that fail with both or neither say nothing in either."""
    worse = [1] * more + [0] * fewer + [1, 0]
    better = [0] * more + [1] * fewer + [1, 0]
    once = [1] * len(worse)
    assert by_boots(tried(once, worse), tried(once, better)) == pytest.approx(mcnemar(more, fewer))


def test_the_chance_is_that_of_all_ways_to_deal_out_the_failures():
    """One failure of one boot and three: a quarter falls on the one. Two such machines: a sixteenth, two-sided."""
    assert by_boots(tried([1, 1], [1, 1]), tried([3, 3], [0, 0])) == pytest.approx(2 / 16)


def rows(seed, machines, at_home, rate):
    """Each machine boots once from another server and otherwise from its own; `rate` of a boot to fail."""
    rng = np.random.default_rng(seed)
    for machine in range(machines):
        for boot in range(at_home + 1):
            server = "away" if boot == 0 else "home"
            signature = "wds-rpc-filtered" if rng.random() < rate[server] else ""
            yield Row(boot * 86_400.0 + machine, f"m{machine}", signature, "", {"server": server})


@pytest.mark.parametrize("seed", range(5))
def test_a_server_tried_once_by_each_is_no_worse_than_the_one_tried_often(seed):
    found = compare(table_of(list(rows(seed, 400, 3, {"away": 0.05, "home": 0.05}))), "server", "home", "away")
    assert mcnemar(found.only_worse, found.only_better) < 0.01
    assert found.p_value > 0.05


def test_a_server_that_fails_half_the_machines_is_still_told_from_the_one_tried_often():
    found = compare(table_of(list(rows(7, 60, 3, {"away": 0.5, "home": 0.05}))), "server", "home", "away")
    assert (found.worse, found.better) == ("away", "home")
    assert found.p_value < 1e-4


def with_retries(boots, times):
    """Who fails tries again at once, as often as that, and fails again."""
    for row in boots:
        yield row
        for again in range(times if row.signature else 0):
            yield Row(row.at_s + 300.0 * (again + 1), row.machine, row.signature, "", row.attributes)


@pytest.mark.parametrize("seed", range(5))
def test_a_server_tried_often_is_no_worse_because_who_fails_tries_again(seed):
    """Counted as boots of their own, retries make one failure of three the most of five."""
    boots = list(with_retries(rows(seed, 400, 3, {"away": 0.05, "home": 0.05}), 2))
    assert compare(table_of(boots), "server", "home", "away").p_value > 0.05


def test_a_retry_with_the_other_value_counts():
    boots = [
        Row(600.0 * n, f"m{machine}", signature, "", {"image": image})
        for machine in range(8)
        for n, (image, signature) in enumerate([("boot", "tftp-timeout"), ("other", "tftp-timeout"), ("boot", "")])
    ]
    found = compare(table_of(boots), "image", "boot", "other")
    assert (found.worse, found.only_worse) == ("other", 8)
