"""Questions in SQL, asked over a connection that can only read, for a bounded time and number of rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pe_agent.errors import UsageError

from pe_collector.connection import Connection

MOST_ROWS = 1000
MOST_S = 1.0
_STEPS_BETWEEN_LOOKS = 2000
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_SECRET = ("token", "secret_hash")
# Octets in log_blob do not say whose they are: what is in quarantine is among them.
_CLOSED = ("audit", "log_blob")
# There a statement cannot be held to reading the views by the one who sends it: the login has to be.
_ELSEWHERE = (
    "SQL is asked here of SQLite only; on PostgreSQL connect psql, or any other tool, with a login that may read the "
    "views and nothing else (docs/scale.md has its three statements)"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a query. `cut` says that there are more than were asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool = False


def ask(
    connection: Connection,
    sql: str,
    parameters: Mapping[str, str],
    rows: int = MOST_ROWS,
    seconds: float = MOST_S,
) -> Answer:
    """The answer to one SELECT.

    Raises:
        UsageError: it is not one, it is wrong, or it takes longer than `seconds`.
    """
    if not isinstance(connection, sqlite3.Connection):
        raise UsageError(_ELSEWHERE)
    until = time.monotonic() + seconds
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_LOOKS)
    try:
        cursor = connection.execute(sql, dict(parameters))
        found = cursor.fetchmany(rows + 1)
    except (sqlite3.Error, sqlite3.Warning) as exc:
        raise UsageError(_explain(exc, seconds)) from exc
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)
    columns = tuple(column[0] for column in cursor.description or ())
    return Answer(columns, tuple(tuple(row) for row in found[:rows]), len(found) > rows)


def _authorize(action: int, first: str | None, second: str | None, _base: str | None, _view: str | None) -> int:
    if action == sqlite3.SQLITE_READ and (first in _CLOSED or (first or "").startswith("quarantined_")):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_READ:
        return sqlite3.SQLITE_IGNORE if (first, second) == _SECRET else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _explain(error: Exception, seconds: float) -> str:
    text = str(error)
    if text == "interrupted":
        return f"the query took longer than {seconds:g} s; narrow it down"
    if text == "not authorized":
        return "only SELECT is allowed here: nothing can be changed this way"
    return f"SQL: {text}"
