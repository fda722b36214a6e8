"""One session with PostgreSQL that behaves like one with SQLite: statements, rows, failures (see connection.py)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import IntLoader
from psycopg.types.string import StrDumper

from pe_collector.connection import Unreachable
from pe_collector.store.errors import StoreError
from pe_collector.store.postgres.dialect import translated
from pe_collector.store.postgres.engine import PATIENCE_S

_Answer = TypeVar("_Answer")
_VALUES = re.compile(r"INSERT INTO (\w+)(?: \(([\w, ]+)\))? VALUES \((?:\?,\s*)*\?\)(.*)", re.DOTALL)
_KINDS = "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid=%s::regclass AND attnum>0 {}"
_ENDS = ("COMMIT", "ROLLBACK")
_TOO_LONG = (
    f"PostgreSQL gave up, as it does after {PATIENCE_S} s; ask for less (since, subnet, site), "
    "or ask an export: pe-collector export --parquet"
)


class PostgresError(sqlite3.OperationalError):
    """What PostgreSQL says. Callers know one kind of failure, whatever the engine."""


class TookTooLong(StoreError, PostgresError):
    """PostgreSQL gave a statement up after its time, or somebody cancelled it."""


class PostgresRow(tuple[Any, ...]):
    """Values by place and by name."""

    __slots__ = ()
    places: Mapping[str, int] = {}

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.places[key] if isinstance(key, str) else key)

    def keys(self) -> Iterable[str]:
        """Names in order."""
        return self.places.keys()


def by_name(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], PostgresRow]:
    """Makes rows of what the cursor gives."""
    names = [column.name for column in cursor.description or ()]
    places = {name: place for place, name in reversed([*enumerate(names)])}
    made: type[PostgresRow] = type("Row", (PostgresRow,), {"places": dict(reversed(places.items())), "__slots__": ()})
    return made


class PostgresConnection:
    """A session with PostgreSQL. `opened` opens it again when the server went away between two transactions."""

    def __init__(self, opened: Callable[[], psycopg.Connection[Any]]) -> None:
        self._opened = opened
        self._session = _guarded(lambda: prepared(opened()))
        self._kinds: dict[tuple[str, str], list[str]] = {}

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or was when the server went away."""
        return self._session.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    def execute(self, sql: str, parameters: Any = (), /) -> PostgresCursor:
        """Run one statement.

        Raises:
            PostgresError: the server refuses it or is gone.
        """
        self._come_back(sql)
        if sql == "COMMIT" and self._session.info.transaction_status is TransactionStatus.INERROR:
            # The server would undo all and call that a success.
            raise PostgresError("the transaction has failed; nothing is stored")
        lonely = not self.in_transaction
        try:
            return self._guarded(lambda: self._run(sql, parameters))
        except Unreachable:
            if not (lonely and sql.startswith("SELECT")):
                raise
            # A question can be asked again: the server came back, or another took its place.
            self._come_back(sql)
            return self._guarded(lambda: self._run(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> PostgresCursor:
        """Run one statement for each set of parameters; plain inserts go in one statement as arrays.

        Raises:
            PostgresError: the server refuses it or is gone.
        """
        rows = [_told(row) for row in parameters]
        match = _VALUES.fullmatch(sql)
        if not rows:
            return PostgresCursor(None)
        return self._guarded(lambda: self._insert(match, rows) if match else self._each(sql, rows))

    def close(self) -> None:
        """End the session; a transaction that is open is undone."""
        self._session.close()

    def _run(self, sql: str, parameters: Any) -> PostgresCursor:
        told = _told(parameters)
        return PostgresCursor(self._cursor().execute(translated(sql).encode(), told or None))

    def _each(self, sql: str, rows: Sequence[Any]) -> PostgresCursor:
        cursor = self._cursor()
        cursor.executemany(translated(sql).encode(), rows)
        return PostgresCursor(cursor)

    def _insert(self, match: re.Match[str], rows: Sequence[Any]) -> PostgresCursor:
        table, names, rest = match[1], match[2] or "", match[3]
        kinds = self._kinds.get((table, names)) or self._kinds_of(table, names)
        arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
        into = f"{table} ({names})" if names else table
        # Names are those of our own statements, kinds those of the server.
        sql = f"INSERT INTO {into} SELECT * FROM unnest({arrays}){rest}"  # noqa: S608
        return PostgresCursor(
            self._cursor().execute(sql.encode(), [list(column) for column in zip(*rows, strict=True)])
        )

    def _kinds_of(self, table: str, names: str) -> list[str]:
        found = self._session.execute(_KINDS.format("AND NOT attisdropped ORDER BY attnum"), (table,)).fetchall()
        known = {row[0]: row[1] for row in found}
        wanted = [name.strip() for name in names.split(",")] if names else list(known)
        self._kinds[table, names] = [known[name] for name in wanted]
        return self._kinds[table, names]

    def _cursor(self) -> psycopg.Cursor[Any]:
        return self._session.cursor(row_factory=by_name)

    def _guarded(self, step: Callable[[], _Answer]) -> _Answer:
        try:
            return _guarded(step)
        except PostgresError as exc:
            if self._session.closed:
                raise Unreachable(str(exc)) from exc
            raise

    def _come_back(self, sql: str) -> None:
        """Open the session again where that loses nothing: before a transaction, or outside of one."""
        if self._session.closed and sql not in _ENDS:
            try:
                self._session = _guarded(lambda: prepared(self._opened()))
            except PostgresError as exc:
                raise Unreachable(str(exc)) from exc


class PostgresCursor:
    """What a statement gave."""

    def __init__(self, cursor: psycopg.Cursor[Any] | None) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        return self._cursor.rowcount if self._cursor is not None else 0

    @property
    def description(self) -> Sequence[Any]:
        """The columns; the first of each is its name."""
        return self._cursor.description or () if self._cursor is not None else ()

    def fetchone(self) -> Any:
        """The next row, or None."""
        return _guarded(lambda: self._cursor.fetchone() if self._cursor is not None else None)

    def fetchmany(self, most: int) -> list[Any]:
        """So many of the rows that are left."""
        return _guarded(lambda: self._cursor.fetchmany(most) if self._cursor is not None else [])

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        return _guarded(lambda: self._cursor.fetchall() if self._cursor is not None else [])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


def prepared(session: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """The session with our kinds of values: texts as texts, sums as whole numbers."""
    session.adapters.register_dumper(str, StrDumper)
    session.adapters.register_loader("numeric", _NumberLoader)
    return session


class _NumberLoader(IntLoader):
    """Sums and averages of whole numbers."""

    def load(self, data: Any) -> Any:
        text = bytes(data)
        return float(text) if b"." in text else int(text)


def _told(parameters: Any) -> Any:
    if isinstance(parameters, Mapping):
        return {name: _value(value) for name, value in parameters.items()}
    return [_value(value) for value in parameters]


def _value(value: Any) -> Any:
    """As the server takes it: truth as 0 and 1, texts without NUL, which no text can hold there."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value


def _guarded(step: Callable[[], _Answer]) -> _Answer:
    try:
        return step()
    except psycopg.Error as exc:
        raise told_of(exc) from exc


def told_of(failure: psycopg.Error) -> PostgresError:
    """The failure as callers know it."""
    if isinstance(failure, psycopg.errors.QueryCanceled):
        return TookTooLong(_TOO_LONG)
    return PostgresError(str(failure).strip() or type(failure).__name__)
