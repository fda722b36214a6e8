"""How often do boots fail hour by hour and day by day, and which ports of servers are not reached from where?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pe_collector.engine.statistics import interval
from pe_collector.questions.contract import Asked, Column, Question, Row, Unit
from pe_collector.questions.counted import counted
from pe_collector.questions.rates import DAY, rated
from pe_collector.questions.rollup import PORT_DAYS, SITE_HOURS, SUBNET_DAYS, Rollup
from pe_collector.store.counting import Counts, Key, add

_WEEK = "7d"


def _boots_of(rollup: Rollup, names: Sequence[str]) -> Callable[[Asked], Iterator[Row]]:
    """The newest first, then those with the most failures; intervals are worked out for rows that are shown only."""

    def rows(asked: Asked) -> Iterator[Row]:
        for key, (boots, failed, slow) in sorted(counted(asked, rollup).items(), key=_newest_first):
            yield rated({**_named(names, key), "boots": boots, "failed": failed, "slow": slow})

    return rows


def _newest_first(cell: tuple[Key, Counts]) -> tuple[Any, ...]:
    (begun_at, *place), (boots, failed, _) = cell
    return -int(begun_at), -failed, -boots, place


def _ports(asked: Asked) -> Iterator[Row]:
    together: dict[Key, Counts] = {}
    for (_, *place), counts in counted(asked, PORT_DAYS).items():
        add(together, tuple(place), counts)
    for key, (answers, failed) in sorted(together.items(), key=lambda cell: (-cell[1][1], -cell[1][0], cell[0])):
        yield _port(key, answers, failed)


def _port(key: Key, asked: int, failed: int) -> Row:
    low, high = interval(failed, asked)
    named = _named(("prefix", "site", "probe", "port"), key)
    return {**named, "asked": asked, "failed": failed, "rate": failed / asked, "low": low, "high": high}


def _named(names: Sequence[str], key: Key) -> dict[str, str | int | None]:
    """What is empty in a cell is not known."""
    return {name: None if value == "" else value for name, value in zip(names, key, strict=True)}


_PREFIX = Column("prefix", meaning="the subnet, as the machines' netmasks say")
_SITE = Column("site", meaning="the site of the address")
_INTERVAL = (
    Column("low", Unit.SHARE, "lower end of the 95 % interval of rate"),
    Column("high", Unit.SHARE, "upper end of the 95 % interval of rate"),
)
_BOOTS = (
    Column("boots", Unit.COUNT),
    Column("failed", Unit.COUNT, "boots whose verdict is a fault"),
    Column("rate", Unit.SHARE, "failed of boots"),
    *_INTERVAL,
    Column("slow", Unit.COUNT, "boots that waited 25 s or longer for an address"),
)
ROLLUPS = (
    Question(
        name="site-hours",
        title="Sites by the hour",
        summary="How often did boots of each site fail, in each hour that begins in the period?",
        columns=(Column("hour_at", Unit.TIME, "the hour begins"), _SITE, *_BOOTS),
        rows=_boots_of(SITE_HOURS, ("hour_at", "site")),
        since=DAY,
    ),
    Question(
        name="subnet-days",
        title="Subnets by the day",
        summary="How often did boots of each subnet fail, on each day (UTC) that begins in the period?",
        columns=(Column("day_at", Unit.TIME, "the day begins"), _PREFIX, _SITE, *_BOOTS),
        rows=_boots_of(SUBNET_DAYS, ("day_at", "prefix", "site")),
        since=_WEEK,
    ),
    Question(
        name="ports",
        title="Ports",
        summary="From which subnets is a port of the servers not reached, over days (UTC) that begin in the period?",
        columns=(
            _PREFIX,
            _SITE,
            Column("probe"),
            Column("port", meaning="of the server that was asked"),
            Column("asked", Unit.COUNT, "answers of this probe"),
            Column("failed", Unit.COUNT),
            Column("rate", Unit.SHARE, "failed of asked"),
            *_INTERVAL,
        ),
        rows=_ports,
        since=_WEEK,
    ),
)
