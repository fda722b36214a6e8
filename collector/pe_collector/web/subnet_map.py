"""Where and when do boots fail? Prefixes down, time across; each row opens the next level of the prefix tree."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from pe_collector.ops.route import state_of
from pe_collector.questions import connected
from pe_collector.questions.contract import Asked
from pe_collector.questions.counted import counted
from pe_collector.questions.filters import Filters, conditions, parse_filters
from pe_collector.questions.rates import DAY, FAILED
from pe_collector.questions.rollup import key_head, prefix_hours
from pe_collector.store.addresses import key_range
from pe_collector.store.functions import whole_part
from pe_collector.store.prefix_tree import COUNTED, LEVELS
from pe_collector.store.rates import HOUR_S
from pe_collector.store.views import boots
from pe_collector.web.view import asked_filters, page
from pe_collector.web.words import with_words

BITS = {4: 32, 6: 128}
COLUMNS = 24
_MOST_ROWS = 300


@dataclass(frozen=True, slots=True)
class Cell:
    """Boots of one row in one stretch of time."""

    boots: int = 0
    failed: int = 0


@dataclass(slots=True)
class MapRow:
    """One prefix or machine; `path` is the page one level down."""

    name: str
    path: str
    cells: list[Cell] = field(default_factory=lambda: [Cell()] * COLUMNS)

    @property
    def boots(self) -> int:
        """All of the period."""
        return sum(cell.boots for cell in self.cells)

    @property
    def failed(self) -> int:
        """All of the period."""
        return sum(cell.failed for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Span:
    """The period (Unix seconds), cut into COLUMNS stretches."""

    begin_s: float
    end_s: float

    @classmethod
    def of(cls, filters: Filters, now_s: float) -> Span:
        """Of the hours that begin in it, where each stretch is made of whole ones; else as it is.

        What lies before the first of them counts in the first stretch.
        """
        begin_s, end_s = filters.since_s or 0.0, now_s if filters.until_s is None else filters.until_s
        hours = math.ceil(end_s / HOUR_S) - math.ceil(begin_s / HOUR_S)
        if filters.since_s is None or hours <= 0 or hours % COLUMNS:
            return cls(begin_s, end_s)
        return cls(math.ceil(begin_s / HOUR_S) * HOUR_S, math.ceil(end_s / HOUR_S) * HOUR_S)

    @property
    def step_s(self) -> float:
        """Length of one stretch."""
        return max(1.0, (self.end_s - self.begin_s) / COLUMNS)

    @property
    def of_hours(self) -> bool:
        """Whether each stretch is made of whole hours."""
        return self.begin_s % HOUR_S == 0 and self.step_s % HOUR_S == 0

    @property
    def starts(self) -> list[float]:
        """When each stretch begins."""
        return [self.begin_s + number * self.step_s for number in range(COLUMNS)]

    def place(self, at_s: float) -> int:
        """In which stretch a moment is."""
        return min(max(int((at_s - self.begin_s) // self.step_s), 0), COLUMNS - 1)


def subnet_map(request: Request) -> Response:
    """The rows below `prefix`, which is the filter `subnet` under a shorter name."""
    words, state = asked_filters(request), state_of(request)
    prefix = request.query_params.get("prefix", "") or words.get("subnet", "")
    words = {**words, "subnet": prefix}
    filters = parse_filters(words, DAY, state.now_s())
    span = Span.of(filters, state.now_s())
    with connected(state.folder) as connection:
        rows = rows_of(Asked(connection, filters, {}, state.now_s()), span, {**words, "subnet": ""})
    above = [(name, with_words("/map", {**words, "subnet": "", "prefix": name})) for name in path_to(filters.subnet)]
    top = with_words("/map", {**words, "subnet": ""})
    said: dict[str, Any] = {"rows": rows[:_MOST_ROWS], "cut": len(rows) > _MOST_ROWS, "span": span, "above": above}
    tables = {name: with_words(f"/q/{name}", words) for name in ("subnets", "slow", "machines")}
    return page(request, "map.html", filters.subnet or "Subnets", **said, top=top, tables=tables)


def rows_of(asked: Asked, span: Span, words: Mapping[str, str]) -> list[MapRow]:
    """The rows with the most failures first; `words` are the filters that links carry on."""
    level = level_below(asked.filters.subnet)
    rows: dict[str, MapRow] = {}
    for key, place, count, failed in _cells(asked, span, level):
        if key not in rows:
            name = key if level is None else prefix_of(key)
            path = f"/machine/{name}" if level is None else with_words("/map", {**words, "prefix": name})
            rows[key] = MapRow(name, path)
        known = rows[key].cells[place]
        rows[key].cells[place] = Cell(known.boots + count, known.failed + failed)
    return sorted(rows.values(), key=lambda row: (-row.failed, -row.boots, row.name))


def _cells(asked: Asked, span: Span, level: int | None) -> Iterator[tuple[str, int, int, int]]:
    """Key of the row, number of the stretch, boots, failed ones; a stretch may come in pieces."""
    if level is None or level >= COUNTED or not span.of_hours:
        yield from _of_reports(asked, span, level)
        return
    inside, edges = in_hours(asked.filters)
    rollup = prefix_hours(level, asked.filters.subnet)
    for (hour_at, head), counts in counted(replace(asked, filters=inside), rollup).items():
        yield str(head), span.place(float(hour_at)), *counts
    for edge in edges:
        yield from _of_reports(replace(asked, filters=edge), span, level)


def in_hours(filters: Filters) -> tuple[Filters, list[Filters]]:
    """The whole hours of the period, and what lies before and after them."""
    since_s, until_s = filters.since_s, filters.until_s
    first_s = None if since_s is None else math.ceil(since_s / HOUR_S) * HOUR_S
    last_s = None if until_s is None else math.floor(until_s / HOUR_S) * HOUR_S
    edges = [replace(filters, until_s=first_s)] if first_s != since_s else []
    edges += [replace(filters, since_s=last_s)] if last_s != until_s else []
    return replace(filters, since_s=first_s, until_s=last_s), edges


def _of_reports(asked: Asked, span: Span, level: int | None) -> Iterator[tuple[str, int, int, int]]:
    group = boots.c.machine_id if level is None else key_head(level)
    at = whole_part((boots.c.received_at - span.begin_s) / span.step_s)
    failed = sa.func.sum(sa.case((boots.c.outcome == FAILED, 1), else_=0))
    chosen = sa.select(group.label("row"), at.label("at"), sa.func.count(), failed)
    chosen = chosen.where(boots.c.address_key.is_not(None), *conditions(boots, asked.filters)).group_by("row", "at")
    for key, place, boots_there, failed_there in asked.connection.execute(chosen):
        yield key, min(max(place, 0), COLUMNS - 1), boots_there, failed_there


def level_below(prefix: str) -> int | None:
    """The level of the tree that comes below the prefix; None where machines come next."""
    if not prefix:
        return 0
    inside = ipaddress.ip_network(prefix)
    levels = LEVELS[inside.version]
    return next((level for level, bits in enumerate(levels) if bits > inside.prefixlen), None)


def prefix_of(head: str) -> str:
    """The prefix that the beginning of an address key stands for."""
    version, digits = int(head[0]), head[1:]
    octets = bytes.fromhex(digits.ljust(BITS[version] // 4, "0"))
    return f"{ipaddress.ip_address(octets)}/{len(digits) * 4}"


def path_to(prefix: str) -> list[str]:
    """The levels of the tree above a prefix, and itself last; none for no prefix."""
    if not prefix:
        return []
    inside = ipaddress.ip_network(key_range(prefix).prefix)
    above = [bits for bits in LEVELS[inside.version] if bits < inside.prefixlen]
    return [str(inside.supernet(new_prefix=bits)) for bits in above] + [str(inside)]
