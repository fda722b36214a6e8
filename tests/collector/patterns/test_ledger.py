"""When was a change made, as people type it?"""

import datetime as dt
import time

import click
import pytest
from pe_collector.cli_patterns import TimeOfChange

DAY_S = 86_400.0


def at(text):
    return TimeOfChange().convert(text, None, None)


@pytest.mark.parametrize("text", ["00:00", "10:00", "23:59", "10:00:30"])
def test_a_time_of_day_is_the_last_one_that_has_passed(text):
    before_s = time.time()
    said = at(text)
    assert before_s - DAY_S - 1 < said <= time.time()
    assert dt.datetime.fromtimestamp(said, dt.UTC).time() == dt.time.fromisoformat(text)


def test_spans_and_dates_are_what_they_were():
    assert at("2026-03-02T08:15") == dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC).timestamp()
    assert abs(at("20m") - (time.time() - 1200)) < 5


@pytest.mark.parametrize("text", ["25:00", "10:", "yesterday"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(click.BadParameter, match="for example 2h"):
        at(text)
