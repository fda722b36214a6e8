"""The store in a PostgreSQL database: any number of collectors before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from pe_agent.errors import UsageError

from pe_collector.connection import Connection
from pe_collector.store.errors import StoreError

if TYPE_CHECKING:
    import psycopg

_CONNECT_S = 10
LACKS = "PostgreSQL needs psycopg: pip install 'pe-agent[postgresql]'"
# A reader must never hold up those who write, nor a page wait for ever.
PATIENCE_S = 60
_READER = f"-c statement_timeout={PATIENCE_S}s"
# Said afterwards: with target_session_attrs=read-write such a session would be taken for a standby's.
_READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
# Acknowledged is what survives a crash, whatever the server was told.
_WRITER = "-c synchronous_commit=on -c lock_timeout=60s"


def create(name: str) -> None:
    """Bring the database to the newest schema.

    Raises:
        StoreError: it cannot be reached, or the user may not make tables in it.
        UsageError: psycopg is not installed.
    """
    from pe_collector.store.postgres.schema import migrate  # noqa: PLC0415 - psycopg is an extra
    from pe_collector.store.postgres.session import PostgresError  # noqa: PLC0415

    with closing(open_writer(name)) as connection:
        try:
            migrate(connection)
        except PostgresError as exc:
            raise StoreError(f"PostgreSQL: {exc}; may this user make tables in that database?") from exc


def open_writer(name: str) -> Connection:
    """A connection that commits durably; transactions are begun and ended by hand.

    Raises:
        StoreError: the server cannot be reached.
        UsageError: psycopg is not installed.
    """
    # The lock's timeout is longer than a look or a migration takes.
    return _opened(name, _WRITER)


def open_reader(name: str) -> Connection:
    """A connection that cannot write.

    Raises:
        StoreError: the server cannot be reached.
        UsageError: psycopg is not installed.
    """
    return _opened(name, _READER)


def is_there(name: str) -> bool:
    """Whether a collector's tables are there.

    Raises:
        StoreError: the server cannot be reached.
    """
    with closing(open_reader(name)) as connection:
        return connection.execute("SELECT to_regclass('schema_migration')").fetchone()[0] is not None


def size_octets(name: str) -> int:
    """What the whole database takes on the server's disk."""
    with closing(open_reader(name)) as connection:
        return int(connection.execute("SELECT pg_database_size(current_database())").fetchone()[0])


@contextmanager
def turn(name: str, number: int) -> Iterator[bool]:
    """Whether it is this collector's turn with a task that one does for all; until the block ends no other has it."""
    from pe_collector.store.postgres.dialect import WRITE_LOCK  # noqa: PLC0415 - as above

    with closing(open_reader(name)) as connection:
        # The lock ends with the session, also when the collector is killed.
        asked = "SELECT pg_try_advisory_lock(?)"
        yield bool(connection.execute(asked, (WRITE_LOCK + number,)).fetchone()[0])


def session(name: str, options: str = _READER) -> psycopg.Connection[Any]:
    """A bare session.

    Raises:
        UsageError: psycopg is not installed.
        psycopg.Error: the server cannot be reached.
    """
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise UsageError(LACKS) from exc
    made = psycopg.connect(
        name, connect_timeout=_CONNECT_S, options=options, autocommit=True, application_name="pe-collector"
    )
    if options is _READER:
        made.execute(_READ_ONLY)
    return made


def _opened(name: str, options: str) -> Connection:
    try:
        from pe_collector.store.postgres.session import PostgresConnection, PostgresError  # noqa: PLC0415
    except ImportError as exc:
        raise UsageError(LACKS) from exc
    try:
        return PostgresConnection(lambda: session(name, options))
    except PostgresError as exc:
        raise away(exc) from exc


def away(failure: Exception) -> StoreError:
    """What whoever wants a session is told."""
    return StoreError(f"PostgreSQL cannot be reached: {failure}")
