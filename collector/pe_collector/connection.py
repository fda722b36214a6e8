"""What may a step do with the database? What sqlite3 offers and the other engines offer likewise.

Statements are written once, in the words that SQLite and PostgreSQL share: parameters as `?` or `:name`, lists as JSON
through `json_each(?)`, `INSERT .. ON CONFLICT`, truth values as 0 and 1. Failures are sqlite3.Error on each engine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Protocol


class Unreachable(sqlite3.OperationalError):
    """The database is gone for now; whoever was served has to come again, no statement is to blame."""


class Row(Protocol):
    """One row: values by place and by name."""

    def __getitem__(self, key: Any, /) -> Any:
        """The value of a column."""

    def __iter__(self) -> Iterator[Any]:
        """Values in order."""

    def keys(self) -> Iterable[str]:
        """Names in order."""


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""


class Connection(Protocol):
    """One session with the database; transactions are begun and ended by hand. For one thread at a time."""

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        """Run one statement for each set of parameters."""

    def close(self) -> None:
        """End the session; a transaction that is open is undone."""
