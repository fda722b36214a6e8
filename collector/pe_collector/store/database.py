"""Where is the database, and how is it opened? Schema changes go through the ordered migrations here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path

from pe_agent.errors import PeError, UsageError

FILE_NAME = "collector.sqlite"
PAGE_OCTETS = 8192
BUSY_TIMEOUT_S = 30.0
# One file of SQL each, in the order they were released; a released one is never edited.
MIGRATIONS = (
    "0001_reports",
    "0002_server_events",
    "0003_redaction",
    "0004_questions",
    "0005_patterns",
    "0006_access",
    "0007_alerts",
)


class StoreError(PeError):
    """The database cannot take or give rows: full disk, damaged file, lock held too long."""


def create(folder: Path) -> Path:
    """Make the database in `folder` if need be, bring it to the newest schema, and name its file.

    Raises:
        StoreError: the file cannot be made or is no database.
    """
    path = folder / FILE_NAME
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute(f"PRAGMA page_size={PAGE_OCTETS}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            _migrate(connection)
    except (OSError, sqlite3.Error) as exc:
        raise StoreError(f"{path}: {exc}; check that the folder is writable and the disk has room") from exc
    return path


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that commits durably; transactions are begun and ended by hand.

    Usable from one thread at a time, not only the one that opened it.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.

    Raises:
        UsageError: there is no collector in that folder.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such database; run `pe-collector init --data {path.parent}` first")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    connection.row_factory = sqlite3.Row
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 - slow to import, needed by few commands

    migrations = Migrations("pe_collector")
    for name in MIGRATIONS:
        migrations(name=name)(_Script(name))
    migrations.apply(Database(connection))


class _Script:
    """A migration that runs the statements of one SQL file."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, db: object, /) -> None:
        text = resources.files(__package__).joinpath(f"{self.__name__}.sql").read_text(encoding="utf-8")
        for statement in _statements(text):
            db.execute(statement)  # type: ignore[attr-defined]  # sqlite_utils.Database, imported late
        if self.__name__ == "0004_questions":
            from pe_collector.store.derived import fill_all  # noqa: PLC0415 - protobuf is slow to load

            fill_all(db.conn)  # type: ignore[attr-defined]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
