"""How are questions asked of an export? By DuckDB, which can read that one folder and change nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pe_agent.errors import UsageError
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.pool import NullPool

from pe_collector.analytics.engine import duckdb, quoted
from pe_collector.analytics.parquet import FILE, MANIFEST, REPAIR, Manifest
from pe_collector.analytics.parts import DERIVED, PARTS, Part
from pe_collector.query import MOST_ROWS
from pe_collector.query import Answer as Rows
from pe_collector.questions import Answer, Question, ask
from pe_collector.store.errors import StoreError
from pe_collector.store.where import DUCKDB

MOST_S = 60.0
_OF_THE_COLLECTOR = "is asked of the collector, not of its export: {}"
# Question -> why an export cannot answer it.
REFUSED: Mapping[str, str] = {
    "silence": "which logs of servers tell of no report changes with every report that comes late",
    "timeline": "a boot's records stay in the database; the views timeline and observations have what they say",
    "logs": "the search by words is the database's; SQL can look through the view log_lines",
    "patterns": "patterns are found while reports come, and followed up by people",
    "why": "patterns are found while reports come, and followed up by people",
    "changes": "the ledger is kept beside the patterns",
}


class DuckDialect(PGDialect):
    """DuckDB speaks PostgreSQL's SQL but for dividing: two whole numbers give a fraction."""

    name = DUCKDB
    driver = DUCKDB
    default_paramstyle = "qmark"
    supports_statement_cache = True
    div_is_floordiv = False

    @classmethod
    def import_dbapi(cls) -> Any:
        """The module."""
        return duckdb()

    def initialize(self, connection: sa.Connection) -> None:
        """Nothing has to be asked of the server: there is none."""

    def on_connect(self) -> None:
        """Nothing has to be set up."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Nothing is ever changed."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Nothing is ever changed."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Nothing is ever changed."""


registry.register(DUCKDB, __name__, DuckDialect.__name__)


@contextmanager
def connected(folder: Path) -> Iterator[sa.Connection]:
    """A connection to the export in `folder`.

    Raises:
        UsageError: there is no export, or no DuckDB.
        StoreError: a file of it cannot be read.
    """
    engine = sa.create_engine(f"{DUCKDB}://", creator=lambda: opened(folder), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as exc:
        raise unreadable(folder, exc.orig or exc) from exc


def ask_export(folder: Path, question: Question, words: Mapping[str, Any], now_s: float | None = None) -> Answer:
    """The answer that the collector gave when it had these rows.

    Raises:
        UsageError: a word is wrong, there is no export, or the question cannot be asked of one.
        StoreError: a file of it cannot be read.
    """
    if why := REFUSED.get(question.name):
        raise UsageError(f"{question.name} {_OF_THE_COLLECTOR.format(why)}")
    with connected(folder) as connection:
        return ask(connection, question, words, now_s)


def ask_sql(
    folder: Path, sql: str, parameters: Mapping[str, str], rows: int = MOST_ROWS, seconds: float = MOST_S
) -> Rows:
    """The answer to one SELECT in DuckDB's SQL; `$name` is a parameter.

    Raises:
        UsageError: it is not one, it is wrong, or it takes longer than `seconds`.
        StoreError: a file of the export cannot be read.
    """
    engine = duckdb()
    with closing(opened(folder)) as connection:
        stop = threading.Timer(seconds, connection.interrupt)
        try:
            statements = connection.extract_statements(sql)
            if [each.type for each in statements] != [engine.StatementType.SELECT]:
                raise UsageError("only one SELECT is allowed here: nothing can be changed this way")
            stop.start()
            cursor = connection.execute(statements[0], dict(parameters))
            found = cursor.fetchmany(rows + 1)
        except engine.InterruptException as exc:
            raise UsageError(f"the query took longer than {seconds:g} s; narrow it down") from exc
        except engine.Error as exc:
            raise UsageError(f"SQL: {exc}") from exc
        finally:
            stop.cancel()
        names = tuple(column[0] for column in cursor.description or ())
    return Rows(names, tuple(tuple(row) for row in found[:rows]), len(found) > rows)


def opened(folder: Path) -> Any:
    """A DuckDB with the export's views, which reads nothing else and fetches nothing.

    Raises:
        UsageError: there is no export, or no DuckDB.
        StoreError: a file of it cannot be read.
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder}: no export here; run `pe-collector export --parquet {folder}` first")
    place, manifest = folder.resolve(), Manifest(folder)
    told = {"autoinstall_known_extensions": False, "autoload_known_extensions": False, "temp_directory": ""}
    engine = duckdb()
    connection = engine.connect(config=told)
    try:
        for statement in (
            f"SET allowed_directories=[{quoted(place)}]",
            "SET enable_external_access=false",
            *(f"CREATE VIEW {part.name} AS {_files(place, part, manifest)}" for part in PARTS),
            *(f"CREATE VIEW {name} AS {chosen}" for name, chosen in DERIVED.items()),
            "SET lock_configuration=true",
        ):
            connection.execute(statement)
    except engine.Error as exc:
        connection.close()
        raise unreadable(folder, exc) from exc
    return connection


def unreadable(folder: Path, failure: BaseException) -> StoreError:
    """What is said where DuckDB cannot read an export; its first line names the file."""
    said = str(failure).partition("\n")[0]
    return StoreError(f"{folder}: the export gives no answer: {said}; {REPAIR}")


def _files(place: Path, part: Part, manifest: Manifest) -> str:
    """A select of all files of a part, or of no row where there is none yet."""
    pattern = f"{part.name}/day=*/*.parquet" if part.moment else f"{part.name}/{FILE}"
    if next(place.glob(pattern), None) is None:
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in part.columns.items())
        return f"SELECT {nothing} WHERE false"
    # Comparing their columns opens all files.
    told = f"hive_partitioning={bool(part.moment)}, union_by_name={not manifest.alike(part)}"
    found = f"read_parquet({quoted(place / pattern)}, {told})"
    return f"SELECT * FROM {found}"  # noqa: S608 - the folder is quoted
