"""How does a site's store get into another engine? Page by page in the order of keys, then both sides are compared.

A page that is there already is left alone, so that a move which was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pe_agent.errors import UsageError

from pe_collector.connection import Connection
from pe_collector.store.catalog import applied_migrations, columns_of, table_names
from pe_collector.store.engines import ENGINES
from pe_collector.store.errors import StoreError
from pe_collector.store.migrations import MIGRATIONS
from pe_collector.store.tables import TABLES
from pe_collector.store.where import SQLITE, Place

# Rows read at once; chunks of logs are the largest of them.
AT_ONCE = 200
_HIDDEN = "quarantined_"
_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """One table that is now the same on both sides. `sha256` is of its rows in the order of their keys."""

    table: str
    rows: int
    copied: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Table:
    """Its name, its columns, and those of them that make the key; all of them where it has none."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def read(self, connection: Connection, after: _Row, most: int) -> list[_Row]:
        """So many rows behind a key."""
        return self._rows(connection, f"{self._behind(after)} ORDER BY {self._order} LIMIT ?", (*after, most))

    def between(self, connection: Connection, after: _Row, last: _Row) -> list[_Row]:
        """The rows behind one key and not behind another."""
        where = f"{self._behind(after)} AND {self._compare('<=')} ORDER BY {self._order}"
        return self._rows(connection, where, (*after, *last))

    def replace(self, connection: Connection, after: _Row, rows: Sequence[_Row]) -> None:
        """Let these be the rows from behind a key to the last of them."""
        last = self.key_of(rows[-1])
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Names are those of our own tables, here and below.
            asked = f"DELETE FROM {self.name} WHERE {self._behind(after)} AND {self._compare('<=')}"  # noqa: S608
            connection.execute(asked, (*after, *last))
            marks = ",".join("?" * len(self.columns))
            into = f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES ({marks})"  # noqa: S608
            connection.executemany(into, rows)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def key_of(self, row: _Row) -> _Row:
        """The key of a row."""
        return tuple(row[self.columns.index(name)] for name in self.key)

    def _rows(self, connection: Connection, rest: str, parameters: _Row) -> list[_Row]:
        asked = f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE {rest}"  # noqa: S608
        return [tuple(map(_plain, row)) for row in connection.execute(asked, parameters)]

    def _behind(self, after: _Row) -> str:
        return self._compare(">") if after else "1=1"

    def _compare(self, operator: str) -> str:
        return f"({self._order}) {operator} ({','.join('?' * len(self.key))})"

    @property
    def _order(self) -> str:
        return ", ".join(self.key)


def move(source: Place, target: Place) -> Iterator[Moved]:
    """Copy every table, and prove it the same on both sides before the next one; nobody else may write meanwhile.

    Raises:
        UsageError: the source is no collector's or of another version, or the target holds what the source has not.
        StoreError: a table is not the same afterwards, or a database failed.
    """
    if source == target or _file_of(source) == _file_of(target) is not None:
        raise UsageError(f"{source.shown}: source and target are the same")
    with closing(ENGINES[source.engine].open_reader(source.name)) as old:
        _check_source(old, source)
        ENGINES[target.engine].create(target.name)
        with closing(ENGINES[target.engine].open_writer(target.name)) as new:
            _check_target(old, new)
            for table in _tables(old, new):
                yield _move(old, new, table)


def _file_of(place: Place) -> Path | None:
    return Path(place.name).resolve() if place.engine == SQLITE else None


def _check_source(old: Connection, source: Place) -> None:
    try:
        applied = applied_migrations(old)
    except sqlite3.Error as exc:
        raise UsageError(f"{source.shown}: not the database of a collector: {exc}; name its collector.sqlite") from exc
    if not set(MIGRATIONS) <= set(applied):
        raise UsageError(f"{source.shown} is of an older version: start its collector with this version once")


def _check_target(old: Connection, new: Connection) -> None:
    reports = _of_model(TABLES.tables["report"])
    for page in _pages(reports, new):
        known = {row[0] for row in reports.between(old, (), reports.key_of(page[-1]))} if page else set()
        foreign = [row[0] for row in page if row[0] not in known]
        if foreign:
            raise UsageError(
                f"the target holds reports that the source has not ({foreign[0]} is one): move into an empty database"
            )


def _tables(old: Connection, new: Connection) -> Iterator[_Table]:
    there = set(table_names(new))
    hidden = [name for name in table_names(old) if name.startswith(_HIDDEN)]
    for model in TABLES.sorted_tables:
        yield _of_model(model)
        shadow = f"{_HIDDEN}{model.name}"
        if shadow in hidden:
            if shadow not in there:
                new.execute(f"CREATE TABLE {shadow} AS SELECT * FROM {model.name} WHERE 1=0")  # noqa: S608
                new.execute(f"CREATE INDEX {shadow}_by_report ON {shadow} (report_id)")
            # An older version that hid reports knew fewer columns.
            yield _of_model(model, shadow, columns_of(old, shadow))


def _of_model(model: sa.Table, name: str = "", there: Collection[str] | None = None) -> _Table:
    columns = tuple(column.name for column in model.columns if there is None or column.name in there)
    return _Table(name or model.name, columns, tuple(column.name for column in model.primary_key) or columns)


def _move(old: Connection, new: Connection, table: _Table) -> Moved:
    copied, after = 0, ()
    for page in _pages(table, old):
        if table.between(new, after, table.key_of(page[-1])) != page:
            table.replace(new, after, page)
            copied += len(page)
        after = table.key_of(page[-1])
    counts, hashes = zip(*(_told(table, connection) for connection in (old, new)), strict=True)
    if counts[0] != counts[1] or hashes[0] != hashes[1]:
        raise StoreError(
            f"{table.name} is not the same on both sides ({counts[0]} and {counts[1]} rows): does somebody still "
            "write? stop the collector and begin again; what is there stays"
        )
    return Moved(table.name, counts[0], copied, hashes[0])


def _told(table: _Table, connection: Connection) -> tuple[int, str]:
    count, digest = 0, hashlib.sha256()
    for page in _pages(table, connection):
        count += len(page)
        digest.update("".join(map(repr, page)).encode())
    return count, digest.hexdigest()


def _pages(table: _Table, connection: Connection) -> Iterator[list[_Row]]:
    after: _Row = ()
    while page := table.read(connection, after, AT_ONCE):
        yield page
        after = table.key_of(page[-1])


def _plain(value: Any) -> Any:
    """A value as every engine gives it back."""
    if isinstance(value, memoryview):
        return bytes(value)
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
