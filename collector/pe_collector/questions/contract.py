"""What is a question? A row with a name, words to ask it with, columns that come back, and where they come from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa

from pe_collector.connection import Connection
from pe_collector.questions.filters import Filters

Row = Mapping[str, Any]


class Unit(StrEnum):
    """What a column is measured in; TIME is Unix seconds on the collector's clock, SHARE goes from 0 to 1."""

    TEXT = ""
    TIME = "time"
    SECONDS = "s"
    SHARE = "share"
    COUNT = "count"
    OCTETS = "bytes"
    FLAG = "flag"


class Brief(StrEnum):
    """Whether a terminal too narrow for all columns shows one: not at all, whole, or as one letter beside the next."""

    NOT = ""
    WHOLE = "whole"
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer, and what it means where its name does not say it."""

    name: str
    unit: Unit = Unit.TEXT
    meaning: str = ""
    brief: Brief = Brief.NOT


@dataclass(frozen=True, slots=True)
class Parameter:
    """A word of a question beside the filters. The one that is `leading` stands behind the command without a name."""

    name: str
    summary: str
    leading: bool = False
    needed: bool = False
    kind: type[str | int] = str
    default: str | int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One asking of a question: what is asked for, and the connection that can only read."""

    connection: sa.Connection
    filters: Filters
    words: Mapping[str, Any]
    now_s: float

    @contextmanager
    def bare(self) -> Iterator[Connection]:
        """The connection below, for statements in words, its rows by name."""
        below = self.connection.connection.driver_connection
        if not isinstance(below, sqlite3.Connection):
            from pe_collector.store.postgres.session import PostgresConnection  # noqa: PLC0415 - psycopg is an extra

            yield PostgresConnection(lambda: cast("Any", below))
            return
        before, below.row_factory = below.row_factory, sqlite3.Row
        try:
            yield below
        finally:
            below.row_factory = before


@dataclass(frozen=True, slots=True)
class Question:
    """A row of QUESTIONS: either `select` with SQLAlchemy Core, each row passed to `finish`; or `rows` in Python.

    Attributes:
        since: the period when none is asked for, for example 24h; empty is all that is stored.
        prepare: run before it is asked, with a reader and the time: gives a step for the one who writes.
        of_its_own: other code makes the command of this name.
    """

    name: str
    title: str
    summary: str
    columns: tuple[Column, ...]
    select: Callable[[Asked], sa.Select[Any]] | None = None
    rows: Callable[[Asked], Iterable[Row]] | None = None
    finish: Callable[[Row], Row] | None = None
    parameters: tuple[Parameter, ...] = field(default=())
    since: str = ""
    prepare: Callable[[Connection, float], Callable[[Connection], Any]] | None = None
    of_its_own: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows in the order of the question; each has exactly its columns. `cut` says that there are more."""

    question: Question
    rows: tuple[Row, ...]
    cut: bool = False
