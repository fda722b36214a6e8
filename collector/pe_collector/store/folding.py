"""When are hours counted? Some time after they are over, a day at a time; the counting needs no lock, storing is short.

All writing is done by the one who writes, so that no two can wait for each other. What changes while it is counted is
counted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pe_collector.connection import Connection
from pe_collector.store.counting import Counts, Key, add_all, answers_in, boots_in
from pe_collector.store.rates import DAY_S, HOUR_S, start_of

# A report goes on for a while after it began, and each time its day would have to be counted anew.
GROWS_S = 2 * 3600
_HOURS = "SELECT hour_at, times, folded FROM rate_hour WHERE hour_at>=? AND hour_at<? ORDER BY hour_at"
_ADD_SUBNETS = (
    "INSERT INTO rate_subnet_day VALUES (?,?,?,?,?,?) ON CONFLICT (day_at, prefix, site) DO UPDATE SET "
    "boots=rate_subnet_day.boots+excluded.boots, failed=rate_subnet_day.failed+excluded.failed, "
    "slow=rate_subnet_day.slow+excluded.slow"
)
_ADD_PORTS = (
    "INSERT INTO rate_port_day VALUES (?,?,?,?,?,?,?) ON CONFLICT (day_at, prefix, site, probe, port) DO UPDATE SET "
    "asked=rate_port_day.asked+excluded.asked, failed=rate_port_day.failed+excluded.failed"
)
_CELLS = ("rate_site_hour", "rate_subnet_day", "rate_port_day")
Step = Callable[[Connection], int]


class Hour(NamedTuple):
    """A row of rate_hour."""

    hour_at: int
    times: int
    folded: int

    @property
    def counted(self) -> bool:
        """Whether the cells say what the reports say."""
        return 0 < self.folded == self.times

    @property
    def disturbed(self) -> bool:
        """Whether something changed since it was counted."""
        return 0 < self.folded != self.times


@dataclass(frozen=True, slots=True)
class _Day:
    """One day's hours as they were, those of them that were counted, and what was found in them.

    `anew`: the day's cells are made anew, of these hours alone.
    """

    day_at: int
    known: tuple[Hour, ...]
    hours: tuple[Hour, ...]
    anew: bool
    sites: dict[Key, Counts] = field(default_factory=dict)
    subnets: dict[Key, Counts] = field(default_factory=dict)
    ports: dict[Key, Counts] = field(default_factory=dict)


def fold(reader: Connection, now_s: float, spend_s: float) -> Step:
    """Count hours that are over, the newest days first, for `spend_s` seconds and at least one day.

    What comes back stores them, inside the transaction of the one who writes; it says how many days it stored.
    """
    until_s, days = time.monotonic() + spend_s, []
    before_at = start_of(now_s - GROWS_S)
    asked = "SELECT hour_at FROM rate_hour WHERE times<>folded AND hour_at<? ORDER BY hour_at DESC"
    for day_at in dict.fromkeys(start_of(row[0], DAY_S) for row in reader.execute(asked, (before_at,)).fetchall()):
        days.append(_count(reader, day_at, before_at))
        if time.monotonic() >= until_s:
            break
    return lambda writer: sum(_store(writer, day) for day in days)


def start_anew(writer: Connection) -> int:
    """Throw all counts away, and know every hour that has reports, inside a transaction; how many hours these are."""
    for table in _CELLS:
        writer.execute(f"DELETE FROM {table}")  # noqa: S608 - our names
    writer.execute("UPDATE rate_hour SET folded=0, times=times+1")
    hours = [(hour_at, 1, 0) for hour_at in _hours_with_reports(writer)]
    writer.executemany("INSERT INTO rate_hour VALUES (?,?,?) ON CONFLICT DO NOTHING", hours)
    return len(hours)


def _hours_with_reports(connection: Connection) -> Iterator[int]:
    """From one to the next, so that not every report is looked at."""
    asked, after_s = "SELECT min(received_at) FROM report WHERE received_at>=?", 0
    while (first := connection.execute(asked, (after_s,)).fetchone()[0]) is not None:
        yield start_of(first)
        after_s = start_of(first) + HOUR_S


def _hours(connection: Connection, day_at: int) -> tuple[Hour, ...]:
    return tuple(Hour(*row) for row in connection.execute(_HOURS, (day_at, day_at + DAY_S)))


def _count(reader: Connection, day_at: int, before_at: int) -> _Day:
    known = _hours(reader, day_at)
    anew = any(hour.disturbed for hour in known)
    hours = tuple(hour for hour in known if hour.hour_at < before_at and (anew or not hour.counted))
    day = _Day(day_at, known, hours, anew)
    for hour in hours:
        boots = boots_in(reader, hour.hour_at)
        add_all(day.subnets, boots)
        for (_, site), counts in boots.items():
            add_all(day.sites, {(hour.hour_at, site): counts})
        add_all(day.ports, answers_in(reader, hour.hour_at))
    return day


def _store(writer: Connection, day: _Day) -> int:
    """Whether nothing changed in these hours since they were counted; else the next time."""
    now = {hour.hour_at: hour for hour in _hours(writer, day.day_at)}
    others = {hour.hour_at: hour.folded for hour in day.known}
    if any(now.get(hour.hour_at) != hour for hour in day.hours) or any(
        hour.folded != others.get(hour.hour_at, 0) for hour in now.values()
    ):
        return 0
    if day.anew:
        end_at = day.day_at + DAY_S
        writer.execute("UPDATE rate_hour SET folded=0 WHERE hour_at>=? AND hour_at<?", (day.day_at, end_at))
        writer.execute("DELETE FROM rate_site_hour WHERE hour_at>=? AND hour_at<?", (day.day_at, end_at))
        writer.execute("DELETE FROM rate_subnet_day WHERE day_at=?", (day.day_at,))
        writer.execute("DELETE FROM rate_port_day WHERE day_at=?", (day.day_at,))
    writer.executemany("INSERT INTO rate_site_hour VALUES (?,?,?,?,?)", [(*k, *c) for k, c in day.sites.items()])
    writer.executemany(_ADD_SUBNETS, [(day.day_at, *k, *c) for k, c in day.subnets.items()])
    writer.executemany(_ADD_PORTS, [(day.day_at, *k, *c) for k, c in day.ports.items()])
    writer.executemany("UPDATE rate_hour SET folded=? WHERE hour_at=?", [(h.times, h.hour_at) for h in day.hours])
    return 1
