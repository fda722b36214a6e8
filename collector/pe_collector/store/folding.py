"""When are hours counted? Soon after they are over; a day's are put together once it is over.

The counting needs no lock, storing is short: all writing is done by the one who writes, so that no two can wait for
each other. What changes while it is counted is counted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pe_collector.connection import Connection
from pe_collector.store.counting import Counts, Key, add, answers_in, boots_in, delivered_in
from pe_collector.store.prefix_tree import COUNTED
from pe_collector.store.rates import DAY_S, HOUR_S, start_of

# A report goes on for a while after it began, and each time its hour has to be counted anew.
GROWS_S = 600
# Its day has to be, once the hours are put together.
SETTLES_S = 2 * 3600
WHOLE = DAY_S // HOUR_S
_HOURS = "SELECT hour_at, times, folded, apart FROM rate_hour WHERE hour_at>=? AND hour_at<? ORDER BY hour_at"
_WAITING = (
    "SELECT hour_at FROM rate_hour WHERE (times<>folded AND hour_at<?) OR (apart=1 AND hour_at<?) ORDER BY hour_at DESC"
)
_BY_HOUR = ("rate_site_hour", "rate_delivery_hour")
_BY_DAY = ("rate_subnet_day", "rate_port_day")
_LEVELS = "rate_prefix_hour"
_ADD_SUBNETS = (
    "INSERT INTO rate_subnet_day VALUES (?,?,?,?,?,?,?) ON CONFLICT (day_at, prefix, site, part) DO UPDATE SET "
    "boots=rate_subnet_day.boots+excluded.boots, failed=rate_subnet_day.failed+excluded.failed, "
    "slow=rate_subnet_day.slow+excluded.slow"
)
_ADD_PORTS = (
    "INSERT INTO rate_port_day VALUES (?,?,?,?,?,?,?,?) "
    "ON CONFLICT (day_at, prefix, site, probe, port, part) DO UPDATE SET "
    "asked=rate_port_day.asked+excluded.asked, failed=rate_port_day.failed+excluded.failed"
)
Step = Callable[[Connection], int]


class Hour(NamedTuple):
    """A row of rate_hour."""

    hour_at: int
    times: int
    folded: int
    apart: int

    @property
    def counted(self) -> bool:
        """Whether the cells say what the reports say."""
        return 0 < self.folded == self.times

    @property
    def disturbed(self) -> bool:
        """Whether something changed since it was counted."""
        return 0 < self.folded != self.times

    @property
    def part(self) -> int:
        """Where it stands in the cells by day."""
        return hour_of_day(self.hour_at) if self.apart else WHOLE


def hour_of_day(hour_at: int) -> int:
    """0 to 23 (UTC)."""
    return hour_at % DAY_S // HOUR_S


@dataclass(frozen=True, slots=True)
class _Day:
    """One day's hours as they were, those of them that were counted, and what was found in them.

    `whole`: they are put together; `anew`: the day's cells are made anew, of these hours alone.
    """

    day_at: int
    known: tuple[Hour, ...]
    hours: tuple[Hour, ...]
    whole: bool
    anew: bool
    sites: dict[Key, Counts] = field(default_factory=dict)
    heads: dict[Key, Counts] = field(default_factory=dict)
    delivered: dict[Key, Counts] = field(default_factory=dict)
    subnets: dict[Key, Counts] = field(default_factory=dict)
    ports: dict[Key, Counts] = field(default_factory=dict)


def fold(reader: Connection, now_s: float, spend_s: float) -> Step:
    """Count hours that are over, the newest days first, for `spend_s` seconds and at least one day.

    What comes back stores them, inside the transaction of the one who writes; it says how many days it stored.
    """
    until_s, days = time.monotonic() + spend_s, []
    over_at, whole_at = start_of(now_s - GROWS_S), start_of(now_s - SETTLES_S, DAY_S)
    waiting = reader.execute(_WAITING, (over_at, whole_at)).fetchall()
    for day_at in dict.fromkeys(start_of(row[0], DAY_S) for row in waiting):
        days.append(_count(reader, day_at, over_at, whole=day_at < whole_at))
        if time.monotonic() >= until_s:
            break
    return lambda writer: sum(_store(writer, day) for day in days)


def start_anew(writer: Connection) -> int:
    """Throw all counts away, and know every hour that has reports, inside a transaction; how many hours these are."""
    for table in (*_BY_HOUR, *_BY_DAY, _LEVELS):
        writer.execute(f"DELETE FROM {table}")  # noqa: S608 - our names
    writer.execute("UPDATE rate_hour SET folded=0, apart=0, times=times+1")
    hours = [(hour_at, 1, 0, 0) for hour_at in _hours_with_reports(writer)]
    writer.executemany("INSERT INTO rate_hour VALUES (?,?,?,?) ON CONFLICT DO NOTHING", hours)
    return len(hours)


def _hours_with_reports(connection: Connection) -> Iterator[int]:
    """From one to the next, so that not every report is looked at."""
    asked, after_s = "SELECT min(received_at) FROM report WHERE received_at>=?", 0
    while (first := connection.execute(asked, (after_s,)).fetchone()[0]) is not None:
        yield start_of(first)
        after_s = start_of(first) + HOUR_S


def _hours(connection: Connection, day_at: int) -> tuple[Hour, ...]:
    return tuple(Hour(*row) for row in connection.execute(_HOURS, (day_at, day_at + DAY_S)))


def _count(reader: Connection, day_at: int, over_at: int, *, whole: bool) -> _Day:
    known = _hours(reader, day_at)
    # Hours that were put together cannot be taken apart again.
    anew = any(hour.apart for hour in known) if whole else False
    anew = anew or any(hour.disturbed and not hour.apart for hour in known)
    hours = tuple(hour for hour in known if hour.hour_at < over_at and (anew or not hour.counted))
    day = _Day(day_at, known, hours, whole, anew)
    for hour in hours:
        _count_hour(reader, day, hour.hour_at)
    return day


def _count_hour(reader: Connection, day: _Day, hour_at: int) -> None:
    part = WHOLE if day.whole else hour_of_day(hour_at)
    boots = boots_in(reader, hour_at)
    for (prefix, site), counts in boots.subnets.items():
        add(day.subnets, (day.day_at, prefix, site, part), counts)
        add(day.sites, (hour_at, site), counts)
    for (level, head), counts in boots.heads.items():
        day.heads[level, hour_at, head] = counts
    for place, counts in answers_in(reader, hour_at).items():
        add(day.ports, (day.day_at, *place, part), counts)
    if (delivered := delivered_in(reader, hour_at)) is not None:
        day.delivered[hour_at,] = delivered


def _store(writer: Connection, day: _Day) -> int:
    """Whether nothing changed in these hours since they were counted; else the next time."""
    now = {hour.hour_at: hour for hour in _hours(writer, day.day_at)}
    others = {hour.hour_at: (hour.folded, hour.apart) for hour in day.known}
    if any(now.get(hour.hour_at) != hour for hour in day.hours) or any(
        (hour.folded, hour.apart) != others.get(hour.hour_at, (0, 0)) for hour in now.values()
    ):
        return 0
    if day.anew:
        _forget(writer, day.day_at, day.day_at + DAY_S, "1=1")
        told = (day.day_at, day.day_at + DAY_S)
        writer.execute("UPDATE rate_hour SET folded=0, apart=0 WHERE hour_at>=? AND hour_at<?", told)
    for hour in day.hours:
        if hour.disturbed and not day.anew:
            _forget(writer, hour.hour_at, hour.hour_at + HOUR_S, f"part={hour.part}")
    _insert(writer, day)
    writer.executemany(
        "UPDATE rate_hour SET folded=?, apart=? WHERE hour_at=?",
        [(hour.times, int(not day.whole), hour.hour_at) for hour in day.hours],
    )
    return 1


def _forget(writer: Connection, begin_at: int, end_at: int, parts: str) -> None:
    """Drop the cells of hours of one day, those by day where `parts` holds."""
    for table in _BY_HOUR:
        writer.execute(f"DELETE FROM {table} WHERE hour_at>=? AND hour_at<?", (begin_at, end_at))  # noqa: S608
    for table in _BY_DAY:
        writer.execute(f"DELETE FROM {table} WHERE day_at=? AND {parts}", (start_of(begin_at, DAY_S),))  # noqa: S608
    for level in range(COUNTED):
        told = (level, begin_at, end_at)
        writer.execute(f"DELETE FROM {_LEVELS} WHERE level=? AND hour_at>=? AND hour_at<?", told)  # noqa: S608


def _insert(writer: Connection, day: _Day) -> None:
    for statement, cells in (
        ("INSERT INTO rate_site_hour VALUES (?,?,?,?,?)", day.sites),
        ("INSERT INTO rate_delivery_hour VALUES (?,?,?,?,?,?,?,?,?)", day.delivered),
        ("INSERT INTO rate_prefix_hour VALUES (?,?,?,?,?)", day.heads),
        (_ADD_SUBNETS, day.subnets),
        (_ADD_PORTS, day.ports),
    ):
        writer.executemany(statement, [(*key, *counts) for key, counts in cells.items()])
