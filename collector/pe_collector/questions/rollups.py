"""How often do boots fail hour by hour and day by day, and which ports of servers are not reached from where?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pe_collector.engine.statistics import interval
from pe_collector.questions.contract import Asked, Column, Question, Row, Unit
from pe_collector.questions.counted import PORT_DAYS, SITE_HOURS, SUBNET_DAYS, Rollup, counted
from pe_collector.questions.rates import DAY, rated
from pe_collector.store.counting import Counts, Key, add

_WEEK = "7d"


def _boots_of(rollup: Rollup, names: Sequence[str]) -> Callable[[Asked], list[Row]]:
    def rows(asked: Asked) -> list[Row]:
        found = [
            rated({**_named(names, key), "boots": counts[0], "failed": counts[1], "slow": counts[2]})
            for key, counts in counted(asked, rollup).items()
        ]
        return sorted(found, key=lambda row: (-row[names[0]], -row["failed"], -row["boots"], *_words(row, names[1:])))

    return rows


def _ports(asked: Asked) -> list[Row]:
    together: dict[Key, Counts] = {}
    for (_, *key), counts in counted(asked, PORT_DAYS).items():
        add(together, tuple(key), counts)
    found = [_port(key, asked_, failed) for key, (asked_, failed) in together.items()]
    return sorted(
        found, key=lambda row: (-row["failed"], -row["asked"], *_words(row, ("prefix", "site", "probe")), row["port"])
    )


def _port(key: Key, asked: int, failed: int) -> Row:
    low, high = interval(failed, asked)
    named = _named(("prefix", "site", "probe", "port"), key)
    return {**named, "asked": asked, "failed": failed, "rate": failed / asked, "low": low, "high": high}


def _named(names: Sequence[str], key: Key) -> dict[str, str | int | None]:
    """What is empty in a cell is not known."""
    return {name: None if value == "" else value for name, value in zip(names, key, strict=True)}


def _words(row: Row, names: Sequence[str]) -> list[str]:
    return [row[name] or "" for name in names]


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
