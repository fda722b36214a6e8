"""Which counts of hours and days are there? Each as cells that were counted once, and as a select of the reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pe_collector.store.addresses import key_range
from pe_collector.store.counting import ANSWERED, FAULT, SLOW_S, Counts, Key, by_port
from pe_collector.store.functions import whole_part
from pe_collector.store.prefix_tree import head_of, key_octets
from pe_collector.store.rates import DAY_S, HOUR_S
from pe_collector.store.tables import (
    observation,
    rate_delivery_hour,
    rate_port_day,
    rate_prefix_hour,
    rate_site_hour,
    rate_subnet_day,
)
from pe_collector.store.views import boots, reports

_Rows = Iterable[tuple[Any, ...]]
_PERIOD = frozenset({"since_s", "until_s"})
_SITES = _PERIOD | {"site"}


@dataclass(frozen=True, slots=True)
class Rollup:
    """Cells of one kind.

    Attributes:
        cells: their table; `keys` are its columns that name a cell, first when it begins, `counts` the others.
        width_s: how long a cell is.
        raw: the same from the reports: the view to filter, the rows of its keys and counts, and what makes them keys.
        knows: the filters that cells can be chosen by; `only`: conditions that choose them.
    """

    cells: sa.Table
    keys: Sequence[str]
    counts: Sequence[str]
    width_s: int
    view: sa.Table
    raw: Callable[[], sa.Select[Any]]
    made: Callable[[_Rows], dict[Key, Counts]]
    knows: frozenset[str] = _SITES
    only: Sequence[sa.ColumnElement[bool]] = ()

    def of_cells(self) -> sa.Select[Any]:
        """The cells' keys and counts; parts of one day as one."""
        keys, counts = [self.cells.c[name] for name in self.keys], [self.cells.c[name] for name in self.counts]
        if "part" not in self.cells.c:
            return sa.select(*keys, *counts).where(*self.only)
        return sa.select(*keys, *(sa.func.sum(count) for count in counts)).where(*self.only).group_by(*keys)


def prefix_hours(level: int, subnet: str) -> Rollup:
    """Boots and failed ones by the prefixes of one level of the tree that lie in a subnet, or everywhere."""
    cells = rate_prefix_hour.c
    only = [cells.level == level]
    if subnet:
        inside = key_range(subnet)
        only.append(cells.head.between(head_of(inside.first, level), head_of(inside.last, level)))
    return Rollup(
        rate_prefix_hour,
        ("hour_at", "head"),
        ("boots", "failed"),
        HOUR_S,
        boots,
        lambda: _heads(level),
        lambda rows: {row[:2]: row[2:] for row in rows},
        _PERIOD | {"subnet"},
        only,
    )


def key_head(level: int) -> sa.ColumnElement[str]:
    """The beginning of a boot's address key that stands for its prefix of this level."""
    octets = key_octets(level)
    (v4, v6) = (sa.func.substr(boots.c.address_key, 1, octets[version]) for version in (4, 6))
    return sa.case((sa.func.substr(boots.c.address_key, 1, 1) == "4", v4), else_=v6)


def took() -> sa.ColumnElement[Any]:
    """From the first to the last record of a whole report; of what was brought by hand nobody knows."""
    whole = sa.and_(reports.c.complete == 1, reports.c.carried == 0)
    return sa.case((whole, reports.c.last_frame_at - reports.c.received_at))


def _known(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.coalesce(column, "")


def _begun(view: sa.Table, width_s: int) -> sa.ColumnElement[int]:
    return (whole_part(view.c.received_at / width_s) * width_s).label("begun_at")


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _boots(*names: str, width_s: int) -> Callable[[], sa.Select[Any]]:
    def select() -> sa.Select[Any]:
        keys: list[Any] = [_begun(boots, width_s), *(_known(boots.c[name]).label(f"known_{name}") for name in names)]
        failed, slow = _count(boots.c.outcome == FAULT), _count(boots.c.link_to_address_s >= SLOW_S)
        return sa.select(*keys, sa.func.count(), failed, slow).group_by(*(key.name for key in keys))

    return select


def _heads(level: int) -> sa.Select[Any]:
    keys: list[Any] = [_begun(boots, HOUR_S), key_head(level).label("head")]
    chosen: sa.Select[Any] = sa.select(*keys, sa.func.count(), _count(boots.c.outcome == FAULT))
    return chosen.where(boots.c.address_key.is_not(None)).group_by(*(key.name for key in keys))


def _answers() -> sa.Select[Any]:
    place = [_known(reports.c[name]).label(f"known_{name}") for name in ("prefix", "site")]
    keys = [_begun(reports, DAY_S), *place, observation.c.probe, observation.c.target]
    return (
        sa.select(*keys, sa.func.count(), _count(observation.c.outcome == "failed"))
        .join_from(reports, observation, observation.c.report_id == reports.c.report_id)
        .where(observation.c.outcome.in_(ANSWERED), observation.c.target.like("%:%"))
        .group_by("begun_at", "known_prefix", "known_site", observation.c.probe, observation.c.target)
    )


def _delivered() -> sa.Select[Any]:
    skew_s = reports.c.clock_skew_s
    counts: list[Any] = [
        sa.func.count(),
        _count(reports.c.complete == 0),
        _count(reports.c.carried == 1),
        sa.func.sum(reports.c.stored_octets),
        *(sa.func.avg(took()), sa.func.max(took()), sa.func.avg(skew_s), sa.func.max(sa.func.abs(skew_s))),
    ]
    return sa.select(_begun(reports, HOUR_S), *counts).group_by("begun_at")


def _of_ports(rows: _Rows) -> dict[Key, Counts]:
    days: dict[int, list[Any]] = {}
    for day_at, *row in rows:
        days.setdefault(day_at, []).append(row)
    return {(day_at, *key): counts for day_at, those in days.items() for key, counts in by_port(those).items()}


_COUNTS = ("boots", "failed", "slow")
SITE_HOURS = Rollup(
    rate_site_hour,
    ("hour_at", "site"),
    _COUNTS,
    HOUR_S,
    boots,
    _boots("site", width_s=HOUR_S),
    lambda rows: {row[:2]: row[2:] for row in rows},
)
SUBNET_DAYS = Rollup(
    rate_subnet_day,
    ("day_at", "prefix", "site"),
    _COUNTS,
    DAY_S,
    boots,
    _boots("prefix", "site", width_s=DAY_S),
    lambda rows: {row[:3]: row[3:] for row in rows},
)
PORT_DAYS = Rollup(
    rate_port_day,
    ("day_at", "prefix", "site", "probe", "port"),
    ("asked", "failed"),
    DAY_S,
    reports,
    _answers,
    _of_ports,
)
DELIVERY_HOURS = Rollup(
    rate_delivery_hour,
    ("hour_at",),
    ("received", "incomplete", "carried", "octets", "mean_s", "most_s", "skew_s", "most_skew_s"),
    HOUR_S,
    reports,
    _delivered,
    lambda rows: {row[:1]: row[1:] for row in rows},
    _PERIOD,
)
