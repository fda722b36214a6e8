"""Where and when do boots fail? Prefixes down, time across; each row opens the next level of the prefix tree."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from pe_collector.ops.route import state_of
from pe_collector.questions import connected
from pe_collector.questions.filters import Filters, conditions, parse_filters
from pe_collector.questions.rates import DAY, FAILED
from pe_collector.store.addresses import key_range
from pe_collector.store.functions import whole_part
from pe_collector.store.views import boots
from pe_collector.web.view import asked_filters, page
from pe_collector.web.words import with_words

# IP version -> the levels of the tree in bits; below the last one come machines. All end at a hexadecimal digit.
LEVELS = {4: (8, 16, 20, 24), 6: (32, 48, 56, 64)}
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

    @property
    def step_s(self) -> float:
        """Length of one stretch."""
        return max(1.0, (self.end_s - self.begin_s) / COLUMNS)

    @property
    def starts(self) -> list[float]:
        """When each stretch begins."""
        return [self.begin_s + number * self.step_s for number in range(COLUMNS)]


def subnet_map(request: Request) -> Response:
    """The rows below `prefix`, which is the filter `subnet` under a shorter name."""
    words, state = asked_filters(request), state_of(request)
    prefix = request.query_params.get("prefix", "") or words.get("subnet", "")
    words = {**words, "subnet": prefix}
    filters = parse_filters(words, DAY, state.now_s())
    span = Span(filters.since_s or 0.0, filters.until_s or state.now_s())
    with connected(state.folder) as connection:
        rows = rows_of(connection, filters, span, {**words, "subnet": ""})
    above = [(name, with_words("/map", {**words, "subnet": "", "prefix": name})) for name in path_to(filters.subnet)]
    top = with_words("/map", {**words, "subnet": ""})
    said: dict[str, Any] = {"rows": rows[:_MOST_ROWS], "cut": len(rows) > _MOST_ROWS, "span": span, "above": above}
    tables = {name: with_words(f"/q/{name}", words) for name in ("subnets", "slow", "machines")}
    return page(request, "map.html", filters.subnet or "Subnets", **said, top=top, tables=tables)


def rows_of(connection: sa.Connection, filters: Filters, span: Span, words: Mapping[str, str]) -> list[MapRow]:
    """The rows with the most failures first; `words` are the filters that links carry on."""
    digits = digits_below(filters.subnet)
    group = boots.c.machine_id if digits is None else _key_head(digits)
    at = whole_part((boots.c.received_at - span.begin_s) / span.step_s)
    failed = sa.func.sum(sa.case((boots.c.outcome == FAILED, 1), else_=0))
    chosen = (
        sa.select(group.label("row"), at.label("at"), sa.func.count(), failed)
        .where(boots.c.address_key.is_not(None), *conditions(boots, filters))
        .group_by("row", "at")
    )
    found = _in_rows(connection.execute(chosen), words, machines=digits is None)
    return sorted(found, key=lambda row: (-row.failed, -row.boots, row.name))


def _in_rows(cells: Iterable[Any], words: Mapping[str, str], *, machines: bool) -> list[MapRow]:
    rows: dict[str, MapRow] = {}
    for key, at, count, failed in cells:
        if key not in rows:
            name = key if machines else prefix_of(key)
            path = f"/machine/{name}" if machines else with_words("/map", {**words, "prefix": name})
            rows[key] = MapRow(name, path)
        rows[key].cells[min(max(at, 0), COLUMNS - 1)] = Cell(count, failed)
    return list(rows.values())


def _key_head(digits: Mapping[int, int]) -> sa.ColumnElement[str]:
    """A key begins with the IP version and goes on in hexadecimal digits of the address."""
    (v4, v6) = (sa.func.substr(boots.c.address_key, 1, 1 + digits[version]) for version in (4, 6))
    return sa.case((sa.func.substr(boots.c.address_key, 1, 1) == "4", v4), else_=v6)


def digits_below(prefix: str) -> Mapping[int, int] | None:
    """IP version -> hexadecimal digits of the next level below the prefix; None where machines come next."""
    if not prefix:
        return {version: levels[0] // 4 for version, levels in LEVELS.items()}
    inside = ipaddress.ip_network(prefix)
    below = next((bits for bits in LEVELS[inside.version] if bits > inside.prefixlen), None)
    return None if below is None else dict.fromkeys(LEVELS, below // 4)


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
