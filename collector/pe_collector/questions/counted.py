"""How many boots and answers, by hour or day? Hours that are over were counted once, the rest is counted now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from pe_collector.questions.contract import Asked
from pe_collector.questions.filters import Filters, conditions
from pe_collector.questions.rollup import Rollup
from pe_collector.store.counting import Counts, Key, add
from pe_collector.store.folding import Hour
from pe_collector.store.rates import DAY_S, HOUR_S, start_of
from pe_collector.store.tables import rate_hour
from pe_collector.store.where import POSTGRESQL, SQLITE

# An export has none.
_WITH_CELLS = {SQLITE, POSTGRESQL}
# Hours may be counted while the question is asked; where they are each time, all is counted now.
_TRIES = 5
_MOST_STRETCHES = 100


def counted(asked: Asked, rollup: Rollup) -> dict[Key, Counts]:
    """Key of the cell -> its counts, for the hours or days that begin in the period; always exact."""
    filters = in_whole(asked.filters, rollup.width_s)
    if set(filters.given) <= rollup.knows and asked.connection.dialect.name in _WITH_CELLS:
        for _ in range(_TRIES):
            hours = _hours(asked.connection, filters)
            stretches = _stretches(_uncounted(hours, rollup))
            if len(stretches) > _MOST_STRETCHES:
                break
            found = _of_cells(asked.connection, rollup, filters, _unusable(hours, rollup))
            if stretches:
                for key, counts in of_reports(asked.connection, rollup, filters, stretches).items():
                    add(found, key, counts)
            after = _hours(asked.connection, filters)[: len(hours)]
            if [_state(hour) for hour in hours] == [_state(hour) for hour in after]:
                return found
    return of_reports(asked.connection, rollup, filters, ())


def in_whole(filters: Filters, width_s: int) -> Filters:
    """From the first that begins in the period to the end of the last."""
    since_s = None if filters.since_s is None else float(math.ceil(filters.since_s / width_s) * width_s)
    until_s = None if filters.until_s is None else float(math.ceil(filters.until_s / width_s) * width_s)
    return replace(filters, since_s=since_s, until_s=until_s)


def of_reports(
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


def _state(hour: Hour) -> tuple[int, int]:
    return hour.folded, hour.apart


def _hours(connection: sa.Connection, filters: Filters) -> list[Hour]:
    chosen = sa.select(rate_hour).order_by(rate_hour.c.hour_at)
    return [Hour(*row) for row in connection.execute(chosen.where(*_within(rate_hour.c.hour_at, filters)))]


def _within(at: sa.ColumnElement[Any], filters: Filters) -> list[sa.ColumnElement[bool]]:
    found = [] if filters.since_s is None else [at >= filters.since_s]
    return found if filters.until_s is None else [*found, at < filters.until_s]


def _cell(hour: Hour, rollup: Rollup) -> int:
    """In which cells an hour stands: when it begins; by day, the day's beginning and the part."""
    return hour.hour_at if rollup.width_s == HOUR_S else start_of(hour.hour_at, DAY_S) + hour.part


def _unusable(hours: Sequence[Hour], rollup: Rollup) -> set[int]:
    """Cells that do not say what the reports say."""
    return {_cell(hour, rollup) for hour in hours if hour.disturbed}


def _uncounted(hours: Sequence[Hour], rollup: Rollup) -> list[int]:
    unusable = _unusable(hours, rollup)
    return [hour.hour_at for hour in hours if not hour.counted or _cell(hour, rollup) in unusable]


def _stretches(hours: Sequence[int]) -> list[tuple[int, int]]:
    """Hours that follow on each other as one: from, until."""
    if not hours:
        return []
    breaks = [(before + HOUR_S, after) for before, after in pairwise(hours) if after != before + HOUR_S]
    return list(
        zip([hours[0], *(after for _, after in breaks)], [*(e for e, _ in breaks), hours[-1] + HOUR_S], strict=True)
    )


def _of_cells(
    connection: sa.Connection, rollup: Rollup, filters: Filters, unusable: Iterable[int]
) -> dict[Key, Counts]:
    cells = rollup.cells.c
    at = cells[rollup.keys[0]]
    chosen = rollup.of_cells().where(*_within(at, filters))
    if unusable := sorted(unusable):
        chosen = chosen.where((at + cells.part if "part" in cells else at).not_in(unusable))
    if filters.site:
        chosen = chosen.where(sa.func.lower(cells.site) == filters.site.lower())
    width = len(rollup.keys)
    return {tuple(row[:width]): tuple(row[width:]) for row in connection.execute(chosen)}
