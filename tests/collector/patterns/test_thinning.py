"""Of very many reports the older ones are a sample: bounded, of the same machines, and enough to say when it began."""

import itertools
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_collector.findings import shown
from pe_collector.findings.filters import Filters
from pe_collector.findings.live import note, stored, storing, what_is_there
from pe_collector.findings.shown import explain_noted, noted_patterns, open_patterns
from pe_collector.findings.text import page_of
from pe_collector.findings.thinning import kept_of, rooms
from pe_collector.findings.window import Window, look

from tests.collector.patterns.test_window import BEGAN_S, HOUR_S, Store

MOST = 300
EACH_HOUR = 20
FAILS_SINCE_H = 35


@given(st.dictionaries(st.integers(0, 500), st.integers(0, 5000), max_size=60), st.integers(1, 3000))
def test_all_of_the_newest_and_never_half_as_many_more(sizes, most):
    found = rooms(sizes, most)
    assert sum(found.values()) <= 1.5 * most
    assert sum(found.values()) >= min(most, sum(sizes.values()))
    newer = 0
    for hour in sorted(sizes, reverse=True):
        assert 0 <= found[hour] <= sizes[hour]
        newer += sizes[hour]
        if newer <= most:
            assert found[hour] == sizes[hour]


def test_one_more_report_makes_room_for_one_at_most():
    kept = [kept_of(number, 50) for number in range(5000)]
    assert {after - before for before, after in itertools.pairwise(kept)} == {0, 1}
    assert kept[-1] < 75


def hours(made, first, last):
    """So many reports an hour from four subnets, of which one fails since FAILS_SINCE_H."""
    for hour in range(first, last):
        for n in range(EACH_HOUR):
            subnet = n % 4
            bad = subnet == 1 and hour >= FAILS_SINCE_H
            made.come(10 * subnet + (hour + n) % 9, BEGAN_S + hour * HOUR_S + 170.0 * n, subnet, bad=bad)


@pytest.fixture(scope="module")
def long_store(tmp_path_factory):
    made = Store(tmp_path_factory.mktemp("long"))
    hours(made, 0, 60)
    yield made
    made.connection.close()


def test_hours_gone_by_still_tell_when_it_began(long_store):
    found = Window(MOST).look(long_store.connection)
    assert MOST < len(found.seen.boots) <= 1.5 * MOST
    (pattern,) = found.patterns
    assert pattern.conditions["prefix"] == "10.1.1.0/24"
    began_s = BEGAN_S + FAILS_SINCE_H * HOUR_S
    assert began_s < found.whole_since_s - 8 * HOUR_S
    assert pattern.onset_after_s < began_s <= pattern.onset_s < began_s + 6 * HOUR_S


def test_a_sample_is_of_the_same_machines_hour_by_hour(long_store):
    found = Window(MOST).look(long_store.connection)
    old = [boot for boot in found.seen.boots if boot.at_s < found.whole_since_s]
    rows = long_store.connection.execute("SELECT machine_id, received_at FROM report").fetchall()
    for hour in {int(boot.at_s // HOUR_S) for boot in old}:
        there = sorted(row["machine_id"] for row in rows if int(row["received_at"] // HOUR_S) == hour)
        kept = sorted(boot.machine_id for boot in old if int(boot.at_s // HOUR_S) == hour)
        assert kept == there[: len(kept)]


def test_a_period_is_looked_at_from_its_first_to_its_last_moment(long_store):
    times = [row[0] for row in long_store.connection.execute("SELECT received_at FROM report ORDER BY received_at")]
    found = look(long_store.connection, Filters(since_s=times[37], until_s=times[411]))
    assert [boot.at_s for boot in found.seen.boots] == times[37:412]


@pytest.mark.parametrize("quiet_s", [0.0, 86_400.0])
def test_a_part_of_the_list_has_the_numbers_of_the_list(long_store, monkeypatch, quiet_s):
    monkeypatch.setattr(shown, "MOST_SERVED", MOST)
    connection, now_s = long_store.connection, BEGAN_S + 60 * HOUR_S
    seen = Window(MOST).look(connection)
    storing(note(connection, seen, now_s, what_is_there(connection)), served=True)(connection)
    (listed,) = noted_patterns(connection, now_s)
    (part,) = open_patterns(connection, Filters(subnet="10.1.1.0/24"), now_s + quiet_s)
    assert [part[name] for name in ("id", "boots", "boots_elsewhere", "sampled_before")] == [
        listed[name] for name in ("id", "boots", "boots_elsewhere", "sampled_before")
    ]
    (whole,) = open_patterns(connection, Filters(since_s=1.0), now_s)
    assert whole["sampled_before"] is None
    assert whole["boots_elsewhere"] > 2 * part["boots_elsewhere"]


def test_a_pattern_keeps_the_onset_that_it_had_when_all_around_it_was_known(tmp_path):
    made, window = Store(tmp_path), Window(MOST)
    began = []
    for first, last in itertools.pairwise((0, FAILS_SINCE_H + 3, 50, 60)):
        hours(made, first, last)
        seen = window.look(made.connection)
        at_s = BEGAN_S + last * HOUR_S
        storing(note(made.connection, seen, at_s, str(last)))(made.connection)
        (live,) = stored(made.connection).values()
        began.append((live.cause.id, live.cause.document["onset"], live.cause.document["evidence"][:-1]))
    assert began[1:] == began[:1] * 2
    onset_s = datetime.fromisoformat(began[0][1]).timestamp()
    # The first failure of the subnet in that hour.
    assert onset_s == BEGAN_S + FAILS_SINCE_H * HOUR_S + 170.0
    assert live.cause.document["sentence"].startswith("since 2025-11-2")
    assert seen.patterns[0].onset_s != onset_s
    page = [*page_of(explain_noted(made.connection, began[0][0], at_s))]
    assert any("a sample of the machines" in line for line in page)
    made.connection.close()
