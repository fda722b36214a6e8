"""How many boots and answers, by hour or day? Hours that are over were counted once, the rest is counted now."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from pe_collector.questions.contract import Asked
from pe_collector.questions.filters import Filters, conditions
from pe_collector.store.counting import ANSWERED, FAULT, SLOW_S, Counts, Key, add, by_port
from pe_collector.store.folding import Hour
from pe_collector.store.functions import whole_part
from pe_collector.store.rates import DAY_S, HOUR_S, start_of
from pe_collector.store.tables import observation, rate_hour, rate_port_day, rate_site_hour, rate_subnet_day
from pe_collector.store.views import boots, reports
from pe_collector.store.where import POSTGRESQL, SQLITE

# Cells know of nothing else.
_KNOWN_TO_CELLS = {"since_s", "until_s", "site"}
# An export has none.
_WITH_CELLS = {SQLITE, POSTGRESQL}
# Hours may be counted while the question is asked; where they are each time, all is counted now.
_TRIES = 5
_MOST_STRETCHES = 100
_Rows = Iterable[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Rollup:
    """Cells of one kind.

    Attributes:
        cells: their table; its first column is when the cell begins, `width_s` is how long it is.
        raw: the same from the reports: the view to filter, the rows of its keys and counts, and what makes them keys.
    """

    cells: sa.Table
    counts: int
    width_s: int
    view: sa.Table
    raw: Callable[[], sa.Select[Any]]
    made: Callable[[_Rows], dict[Key, Counts]]


def counted(asked: Asked, rollup: Rollup) -> dict[Key, Counts]:
    """Key of the cell -> its counts, for the hours or days that begin in the period; always exact."""
    filters = _in_whole(asked.filters, rollup.width_s)
    if set(filters.given) <= _KNOWN_TO_CELLS and asked.connection.dialect.name in _WITH_CELLS:
        for _ in range(_TRIES):
            hours = _hours(asked.connection, filters)
            stretches = _stretches(_uncounted(hours, rollup))
            if len(stretches) > _MOST_STRETCHES:
                break
            found = _of_cells(asked.connection, rollup, filters, _unusable(hours, rollup))
            if stretches:
                for key, counts in _of_reports(asked.connection, rollup, filters, stretches).items():
                    add(found, key, counts)
            if [hour.folded for hour in hours] == [hour.folded for hour in _hours(asked.connection, filters)][
                : len(hours)
            ]:
                return found
    return _of_reports(asked.connection, rollup, filters, ())


def _in_whole(filters: Filters, width_s: int) -> Filters:
    """From the first that begins in the period to the end of the last."""
    since_s = None if filters.since_s is None else float(math.ceil(filters.since_s / width_s) * width_s)
    until_s = None if filters.until_s is None else float(math.ceil(filters.until_s / width_s) * width_s)
    return replace(filters, since_s=since_s, until_s=until_s)


def _hours(connection: sa.Connection, filters: Filters) -> list[Hour]:
    chosen = sa.select(rate_hour.c.hour_at, rate_hour.c.times, rate_hour.c.folded).order_by(rate_hour.c.hour_at)
    rows = connection.execute(chosen.where(*_within(rate_hour.c.hour_at, filters)))
    return [Hour(*row) for row in rows]


def _within(at: sa.ColumnElement[Any], filters: Filters) -> list[sa.ColumnElement[bool]]:
    found = [] if filters.since_s is None else [at >= filters.since_s]
    return found if filters.until_s is None else [*found, at < filters.until_s]


def _unusable(hours: Sequence[Hour], rollup: Rollup) -> set[int]:
    """Where cells begin that do not say what the reports say."""
    return {start_of(hour.hour_at, rollup.width_s) for hour in hours if hour.disturbed}


def _uncounted(hours: Sequence[Hour], rollup: Rollup) -> list[int]:
    unusable = _unusable(hours, rollup)
    return [hour.hour_at for hour in hours if not hour.counted or start_of(hour.hour_at, rollup.width_s) in unusable]


def _stretches(hours: Sequence[int]) -> list[tuple[int, int]]:
    """Hours that follow on each other as one: from, until."""
    if not hours:
        return []
    breaks = [(before + HOUR_S, after) for before, after in pairwise(hours) if after != before + HOUR_S]
    return list(
        zip([hours[0], *(after for _, after in breaks)], [*(e for e, _ in breaks), hours[-1] + HOUR_S], strict=True)
    )


def _of_cells(connection: sa.Connection, rollup: Rollup, filters: Filters, unusable: set[int]) -> dict[Key, Counts]:
    at, table = next(iter(rollup.cells.c)), rollup.cells
    chosen = sa.select(table).where(*_within(at, filters), at.not_in(sorted(unusable)))
    if filters.site:
        chosen = chosen.where(sa.func.lower(table.c.site) == filters.site.lower())
    return {tuple(row[: -rollup.counts]): tuple(row[-rollup.counts :]) for row in connection.execute(chosen)}


def _of_reports(
    connection: sa.Connection, rollup: Rollup, filters: Filters, stretches: Sequence[tuple[int, int]]
) -> dict[Key, Counts]:
    """From the reports of these stretches; of the whole period where there are none."""
    at = rollup.view.c.received_at
    if stretches:
        # They lie in the period; said as well, the engine would look through all of it.
        filters = replace(filters, since_s=None, until_s=None)
    chosen = rollup.raw().where(*conditions(rollup.view, filters))
    if stretches:
        chosen = chosen.where(sa.or_(*(sa.and_(at >= begin, at < end) for begin, end in stretches)))
    return rollup.made(tuple(row) for row in connection.execute(chosen))


def _known(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.coalesce(column, "")


def _begun(view: sa.Table, width_s: int) -> sa.ColumnElement[int]:
    return (whole_part(view.c.received_at / width_s) * width_s).label("begun_at")


def _boots(*names: str, width_s: int) -> Callable[[], sa.Select[Any]]:
    def select() -> sa.Select[Any]:
        keys: list[Any] = [_begun(boots, width_s), *(_known(boots.c[name]).label(f"known_{name}") for name in names)]
        failed = sa.func.sum(sa.case((boots.c.outcome == FAULT, 1), else_=0))
        slow = sa.func.sum(sa.case((boots.c.link_to_address_s >= SLOW_S, 1), else_=0))
        chosen: sa.Select[Any] = sa.select(*keys, sa.func.count(), failed, slow)
        return chosen.group_by(*(key.name for key in keys))

    return select


def _answers() -> sa.Select[Any]:
    place = [_known(reports.c[name]).label(f"known_{name}") for name in ("prefix", "site")]
    keys = [_begun(reports, DAY_S), *place, observation.c.probe, observation.c.target]
    failed = sa.func.sum(sa.case((observation.c.outcome == "failed", 1), else_=0))
    return (
        sa.select(*keys, sa.func.count(), failed)
        .join_from(reports, observation, observation.c.report_id == reports.c.report_id)
        .where(observation.c.outcome.in_(ANSWERED), observation.c.target.like("%:%"))
        .group_by("begun_at", "known_prefix", "known_site", observation.c.probe, observation.c.target)
    )


def _as_they_are(rows: _Rows) -> dict[Key, Counts]:
    return {row[:-3]: row[-3:] for row in rows}


def _of_ports(rows: _Rows) -> dict[Key, Counts]:
    days: dict[int, list[Any]] = {}
    for day_at, *row in rows:
        days.setdefault(day_at, []).append(row)
    return {(day_at, *key): counts for day_at, those in days.items() for key, counts in by_port(those).items()}


SITE_HOURS = Rollup(rate_site_hour, 3, HOUR_S, boots, _boots("site", width_s=HOUR_S), _as_they_are)
SUBNET_DAYS = Rollup(rate_subnet_day, 3, DAY_S, boots, _boots("prefix", "site", width_s=DAY_S), _as_they_are)
PORT_DAYS = Rollup(rate_port_day, 2, DAY_S, reports, _answers, _of_ports)
