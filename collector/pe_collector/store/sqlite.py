"""The store in one SQLite file: nothing to install, one collector that writes."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from pe_agent.errors import UsageError

from pe_collector.store.errors import StoreError
from pe_collector.store.migrations import MIGRATIONS, statements_of

PAGE_OCTETS = 8192
BUSY_TIMEOUT_S = 30.0
_VALUES = re.compile(r"(INSERT INTO \w+(?: \([\w, ]+\))? VALUES )(\((?:\?,\s*)*\?\))(.*)", re.DOTALL)
_MOST_ROWS = 64


def create(name: str) -> None:
    """Make the file if need be, and bring it to the newest schema.

    Raises:
        StoreError: the file cannot be made or is no database.
    """
    try:
        _make_private(name)
        with closing(sqlite3.connect(name, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute(f"PRAGMA page_size={PAGE_OCTETS}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            _migrate(connection)
    except (OSError, sqlite3.Error) as exc:
        raise StoreError(f"{name}: {exc}; check that the folder is writable and the disk has room") from exc


def _make_private(name: str) -> None:
    """An empty file that only its owner may read; one that is there is not touched.

    To open and close it here would drop the locks of all connections that this process has to it (POSIX says so of
    any file), and the next process that closes it would take away the log to which they write.
    """
    with suppress(FileExistsError):
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def open_writer(name: str) -> sqlite3.Connection:
    """A connection that commits durably; transactions are begun and ended by hand.

    Usable from one thread at a time, not only the one that opened it.
    """
    connection = sqlite3.connect(
        name, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, factory=_Writing
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    return connection


def open_reader(name: str) -> sqlite3.Connection:
    """A connection that cannot write.

    Raises:
        UsageError: there is no such file.
    """
    path = Path(name)
    if not path.exists():
        raise UsageError(f"{path}: no such database; run `pe-collector init --data {path.parent}` first")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    connection.row_factory = sqlite3.Row
    return connection


def is_there(name: str) -> bool:
    """Whether a collector's database is there."""
    return Path(name).exists()


def size_octets(name: str) -> int:
    """What it takes on the disk."""
    files = (Path(name), Path(f"{name}-wal"))
    return sum(path.stat().st_size for path in files if path.exists())


def _migrate(connection: sqlite3.Connection) -> None:
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 - slow to import, needed by few commands

    migrations = Migrations("pe_collector")
    for name in MIGRATIONS:
        migrations(name=name)(_Script(name))
    migrations.apply(Database(connection))


class _Writing(sqlite3.Connection):
    """Inserts many rows by few statements: at each one the interpreter's lock changes hands, forth and back."""

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """As sqlite3 does it."""
        match = _VALUES.fullmatch(sql)
        if match is None:
            return super().executemany(sql, parameters)
        rows, at, cursor, changed = list(parameters), 0, self.cursor(_Many), 0
        while at < len(rows):
            # Of few lengths, so that the statements are found prepared.
            count = min(_MOST_ROWS, 1 << (len(rows) - at).bit_length() - 1)
            many = f"{match[1]}{','.join([match[2]] * count)}{match[3]}"
            cursor.execute(many, tuple(chain.from_iterable(rows[at : at + count])))
            changed += super(_Many, cursor).rowcount
            at += count
        cursor.rowcount = changed
        return cursor


class _Many(sqlite3.Cursor):
    """Its number of rows is that of several statements, as sqlite3's own executemany counts them."""

    rowcount = 0


class _Script:
    """A migration that runs the statements of one SQL file."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, db: object, /) -> None:
        for statement in statements_of(self.__name__):
            db.execute(statement)  # type: ignore[attr-defined]  # sqlite_utils.Database, imported late
        if self.__name__ == "0004_questions":
            from pe_collector.store.derived import fill_all  # noqa: PLC0415 - protobuf is slow to load

            fill_all(db.conn)  # type: ignore[attr-defined]
