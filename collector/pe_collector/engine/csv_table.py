"""Any table as boots: a column says the outcome, the others are attributes, an empty cell is not known."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

from pe_agent.errors import UsageError

from pe_collector.engine.classes import with_classes
from pe_collector.engine.greedy import Settings
from pe_collector.engine.nodes import stages
from pe_collector.engine.table import Row, Table, table_of
from pe_collector.prefixes import is_place

MOST_ROWS = 2_000_000
# An attribute that nearly every row has for itself (a serial number) groups nothing.
_MOST_DISTINCT = 0.5
_FEW_ROWS = 20


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column is what; `ok` is the outcome of a row that is well."""

    outcome: str
    ok: str
    time: str = ""
    prefix: str = ""
    machine: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """Columns with a role."""
        return tuple(name for name in (self.outcome, self.time, self.prefix, self.machine) if name)


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The table, and whether its times are Unix seconds (read from dates) or whatever the file counts in.

    Of its `addresses` so many are `unread`: no IP address and no prefix.
    """

    table: Table
    dated: bool
    addresses: int
    unread: int


def read_table(path: Path, roles: Roles) -> CsvTable:
    """The rows of a CSV file with a header.

    Without a machine column each row is a machine of its own; without a time the order of the rows is the time.

    Raises:
        UsageError: the file cannot be read, lacks a column, has a time that is none, is too long, or no row is well.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            _check(path, roles, reader.fieldnames or ())
            first: list[str] = []
            rows: list[Row] = []
            for number, cells in enumerate(reader):
                rows.append(_row(path, roles, cells, number))
                first = first or [cells.get(roles.time) or ""]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise UsageError(f"{path}: {exc}") from exc
    dated = bool(roles.time) and not all(_is_number(cells) for cells in first)
    if rows and all(row.signature for row in rows):
        raise UsageError(
            f"{path}: no row has {roles.ok!r} in column {roles.outcome!r}, so there is nothing to compare with"
        )
    places = [row.address for row in rows if row.address]
    unread = sum(not is_place(text) for text in places)
    return CsvTable(_table(rows), dated, len(places), unread)


def _table(rows: list[Row]) -> Table:
    """`10.1.2.0/24` is an address and the subnet it lies in."""
    subnets = {row.address for row in rows if "/" in row.address}
    plain = [replace(row, address=row.address.partition("/")[0]) for row in rows]
    return table_of(_grouping(plain), sorted(subnets))


def settings_for(table: Table, settings: Settings) -> Settings:
    """The known stages where outcomes are known signatures, else such classes as the table itself shows."""
    names = frozenset(name for name in table.signatures if name)
    return settings if names & stages().order.keys() else with_classes(table, settings)


def _check(path: Path, roles: Roles, header: object) -> None:
    present = set(header) if isinstance(header, list | tuple) else set()
    for name in roles.named:
        if name not in present:
            raise UsageError(f"{path}: no column {name!r}; there are {', '.join(sorted(map(str, present)))}")


def _row(path: Path, roles: Roles, cells: Mapping[str | None, str], number: int) -> Row:
    if number >= MOST_ROWS:
        raise UsageError(f"{path}: more than {MOST_ROWS:,} rows")
    outcome = (cells.get(roles.outcome) or "").strip()
    return Row(
        at_s=_seconds(path, (cells.get(roles.time) or "").strip(), number) if roles.time else float(number),
        machine=(cells.get(roles.machine) or f"row {number}") if roles.machine else f"row {number}",
        signature="" if outcome == roles.ok else outcome or "no outcome",
        address=(cells.get(roles.prefix) or "").strip() if roles.prefix else "",
        attributes={k: v.strip() for k, v in cells.items() if isinstance(k, str) and v and k not in roles.named},
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _seconds(path: Path, text: str, number: int) -> float:
    """Seconds, or an ISO 8601 time (UTC unless it says otherwise)."""
    try:
        at_s = float(text) if _is_number(text) else _moment_s(text)
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"{path}, row {number + 2}: {text!r} is neither seconds nor an ISO 8601 time") from exc
    if not isfinite(at_s):
        raise UsageError(f"{path}, row {number + 2}: {text!r} is no time")
    return at_s


def _moment_s(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _grouping(rows: list[Row]) -> list[Row]:
    """The rows without the attributes of which nearly each has its own value."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.attributes.items():
            values.setdefault(name, set()).add(value)
    most = max(_FEW_ROWS, _MOST_DISTINCT * len(rows))
    dropped = {name for name, distinct in values.items() if len(distinct) > most}
    if not dropped:
        return rows
    return [
        Row(r.at_s, r.machine, r.signature, r.address, {k: v for k, v in r.attributes.items() if k not in dropped})
        for r in rows
    ]
