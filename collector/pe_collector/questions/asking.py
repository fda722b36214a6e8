"""How is a question asked? Over one connection that can only read; every answer is bounded."""

from __future__ import annotations

import functools
import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pe_agent.errors import PeError, UsageError
from sqlalchemy.pool import NullPool

from pe_collector.questions.contract import Answer, Asked, Parameter, Question, Row
from pe_collector.questions.filters import WORDS, parse_filters
from pe_collector.store import sqlite
from pe_collector.store.errors import in_words
from pe_collector.store.postgres import engine as postgres
from pe_collector.store.where import FILE_NAME, POSTGRESQL, SQLITE, place_of

MOST_ROWS = 1000
MOST_ROWS_EVER = 100_000
LIMIT = Parameter("limit", f"At most so many rows [{MOST_ROWS}].", kind=int, default=MOST_ROWS)


# An engine keeps statements that it has put into words, not connections.
@functools.lru_cache(maxsize=16)
def _of_sqlite(name: str) -> sa.Engine:
    def reader() -> sqlite3.Connection:
        connection = sqlite.open_reader(name)
        connection.row_factory = None
        return connection

    return _in_words(sa.create_engine("sqlite://", creator=reader, poolclass=NullPool), lambda failure: failure)


@functools.lru_cache(maxsize=16)
def _of_postgres(name: str) -> sa.Engine:
    try:
        import psycopg  # noqa: PLC0415 - an extra

        from pe_collector.store.postgres.session import prepared, told_of  # noqa: PLC0415 - as above
    except ImportError as exc:
        raise UsageError(postgres.LACKS) from exc

    def reader() -> Any:
        try:
            bare = prepared(postgres.session(name))
        except psycopg.Error as exc:
            raise postgres.away(exc) from exc
        bare.autocommit = False
        return bare

    return _in_words(sa.create_engine("postgresql+psycopg://", creator=reader, poolclass=NullPool), told_of)


def _in_words(engine: sa.Engine, told_of: Callable[[Any], sqlite3.Error]) -> sa.Engine:
    """The engine; whatever is asked over it fails with the words of the store."""

    def failed(context: sa.ExceptionContext) -> PeError | None:
        failure = context.original_exception
        # What SQLAlchemy itself has to say is a fault of ours.
        return in_words(told_of(failure)) if isinstance(failure, context.dialect.loaded_dbapi.Error) else None

    sa.event.listen(engine, "handle_error", failed)
    return engine


# One row for each of ENGINES.
ASKING: Mapping[str, Callable[[str], sa.Engine]] = {SQLITE: _of_sqlite, POSTGRESQL: _of_postgres}


@contextmanager
def connected(folder: Path) -> Iterator[sa.Connection]:
    """A connection to the collector in `folder` that cannot write.

    Raises:
        UsageError: there is no collector in that folder.
    """
    place = place_of(folder / FILE_NAME)
    with ASKING[place.engine](place.name).connect() as connection:
        yield connection


def ask(connection: sa.Connection, question: Question, words: Mapping[str, Any], now_s: float | None = None) -> Answer:
    """The answer to a question asked with words as people type them; an unknown or missing one is refused.

    Raises:
        UsageError: a word is unknown, missing or wrong.
        StoreError: the database gives no answer.
    """
    asked = asked_with(connection, question, words, now_s)
    limit = asked.words[LIMIT.name]
    found = list(itertools.islice(_rows(question, asked, limit), limit + 1))
    names = [column.name for column in question.columns]
    return Answer(question, tuple({n: row.get(n) for n in names} for row in found[:limit]), len(found) > limit)


def asked_with(
    connection: sa.Connection, question: Question, words: Mapping[str, Any], now_s: float | None = None
) -> Asked:
    """The words read.

    Raises:
        UsageError: a word is unknown, missing or wrong.
    """
    at_s = time.time() if now_s is None else now_s
    known = {parameter.name: parameter for parameter in (*question.parameters, LIMIT)}
    unknown = sorted(set(words) - set(known) - set(WORDS))
    if unknown:
        raise UsageError(f"{question.name}: unknown word {unknown[0]!r}; known are {', '.join([*known, *WORDS])}")
    values = {name: _value(parameter, words.get(name)) for name, parameter in known.items()}
    filters = parse_filters({n: str(v) for n, v in words.items() if n in WORDS and v}, question.since, at_s)
    return Asked(connection, filters, values, at_s)


def _rows(question: Question, asked: Asked, limit: int) -> Iterator[Row]:
    if question.rows is not None:
        yield from question.rows(asked)
        return
    if question.select is None:
        raise TypeError(f"question {question.name} has neither select nor rows")
    found = asked.connection.execute(question.select(asked).limit(limit + 1))
    names = tuple(found.keys())
    for values in found:
        row = dict(zip(names, values, strict=True))
        yield question.finish(row) if question.finish else row


def _value(parameter: Parameter, given: Any) -> Any:
    if given in (None, ""):
        if parameter.needed:
            raise UsageError(f"{parameter.name} is missing: {parameter.summary}")
        return parameter.default
    try:
        value = parameter.kind(given)
    except ValueError as exc:
        raise UsageError(f"{parameter.name}: {given!r} is no number") from exc
    if isinstance(value, int) and not 0 < value <= MOST_ROWS_EVER:
        raise UsageError(f"{parameter.name}: a number from 1 to {MOST_ROWS_EVER} is needed")
    return value
