"""An hour of today is counted apart, a day that is over as a whole, and the heat map's tree by the hour."""

import pytest
from pe_collector.questions import asking
from pe_collector.questions.contract import Asked
from pe_collector.questions.counted import counted, of_reports
from pe_collector.questions.filters import Filters
from pe_collector.questions.rollup import SUBNET_DAYS, prefix_hours
from pe_collector.store.folding import SETTLES_S

from tests.store.hours import DAY_S, NOW, check, come, fold_now


def test_what_comes_late_of_today_makes_its_hour_be_counted_anew_and_not_its_day(folder, counted_hours):
    """The others stay as they were counted, whatever became of them."""
    today = "SELECT hour_at, folded, apart FROM rate_hour WHERE apart=1 ORDER BY hour_at DESC"
    come(counted_hours, 98, NOW - 3600.0)
    assert fold_now(counted_hours, NOW) == 1
    (late_at, *_), *others = counted_hours.execute(today).fetchall()
    assert others
    counted_hours.execute(
        "UPDATE rate_subnet_day SET boots=boots+1000 WHERE part<>24 AND part<>?", (late_at % 86400 // 3600,)
    )
    come(counted_hours, 99, late_at + 10.0, "fault", 2, 135)
    with asking.connected(folder) as connection:
        asked = Asked(connection, Filters(since_s=NOW // DAY_S * DAY_S), {}, NOW)
        before = counted(asked, SUBNET_DAYS)
        assert fold_now(counted_hours, NOW) == 1
        assert counted(asked, SUBNET_DAYS) == before
    assert sum(counts[0] for counts in before.values()) > 1000 * len(others)
    assert [tuple(row) for row in counted_hours.execute(today).fetchall()[1:]] == [tuple(row) for row in others]


def test_the_hours_of_a_day_are_put_together_once_it_is_over(folder, counted_hours):
    assert {row["apart"] for row in counted_hours.execute("SELECT apart FROM rate_hour")} == {0, 1}
    assert fold_now(counted_hours, NOW + DAY_S + SETTLES_S) == 1
    assert {row["apart"] for row in counted_hours.execute("SELECT apart FROM rate_hour")} == {0}
    assert {row["part"] for row in counted_hours.execute("SELECT part FROM rate_subnet_day")} == {24}
    check(folder)


@pytest.mark.parametrize("subnet", ["10.0.0.0/8", "10.1.0.0/16", "10.64.0.0/10", "2001:db8::/32", "192.168.0.0/16"])
def test_the_map_of_a_subnet_is_counted_alike(folder, counted_hours, subnet):
    for number in range(200, 212):
        come(counted_hours, number, NOW - number * 60.0, "fault", number % 4, 135)
    fold_now(counted_hours, NOW)
    with asking.connected(folder) as connection:
        filters = Filters(subnet=subnet)
        rollup = prefix_hours(2, subnet)
        found = counted(Asked(connection, filters, {}, NOW), rollup)
        assert found == of_reports(connection, rollup, filters, ())
        assert bool(found) == (subnet != "192.168.0.0/16")
