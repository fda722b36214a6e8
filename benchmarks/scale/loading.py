"""The fleet into each engine in bulk: indexes away, rows in, indexes made again, statistics."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pe_collector.store import sqlite as sqlite_store
from pe_collector.store.postgres import engine as postgres_store
from pe_collector.store.where import FILE_NAME

from benchmarks.ingest.postgres import cluster
from benchmarks.scale import fleet

_BLOCK = 1 << 20


def into_sqlite(folder: Path, data: Path) -> None:
    """A collector's folder with the fleet in its file."""
    name = str(data / FILE_NAME)
    sqlite_store.create(name)
    with closing(sqlite3.connect(name, isolation_level=None)) as file:
        for pragma in ("synchronous=OFF", "journal_mode=OFF", "cache_size=-800000", "temp_store=MEMORY"):
            file.execute(f"PRAGMA {pragma}")
        indexes = file.execute("SELECT name, sql FROM sqlite_master WHERE type='index' AND sql IS NOT NULL").fetchall()
        for index, _ in indexes:
            file.execute(f"DROP INDEX {index}")
        file.execute("BEGIN")
        for table in fleet.TABLE_NAMES:
            _fill(file, folder, table)
        for _, made in indexes:
            file.execute(made)
        file.execute("COMMIT")
        file.execute("ANALYZE")
        file.execute("PRAGMA journal_mode=WAL")


def _fill(file: sqlite3.Connection, folder: Path, table: str) -> None:
    names = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
    here = [name for name in names if table != "report" or not fleet.same_in_all(name)]
    there = {name: fleet.value_of(name) for name in names if name not in here}
    values = ", ".join(["?"] * len(here) + [fleet.literal(value) for value in there.values()])
    insert = f"INSERT INTO {table} ({', '.join([*here, *there])}) VALUES ({values})"  # noqa: S608 - our own names
    for part in fleet.rows(folder, table, ", ".join(here)):
        file.executemany(insert, part)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A cluster of its own with an empty database; its URL."""
    sockets = folder / "pg"
    with cluster(sockets):
        url = f"postgresql://postgres@/postgres?host={sockets}"
        with closing(postgres_store.session(url, "")) as session:
            for told in ("max_wal_size='2GB'", "maintenance_work_mem='512MB'", "shared_buffers='1GB'"):
                session.execute(f"ALTER SYSTEM SET {told}")
            session.execute("SELECT pg_reload_conf()")
            session.execute("CREATE DATABASE fleet ENCODING UTF8 TEMPLATE template0")
        yield url.replace("/postgres?", "/fleet?")


def into_postgresql(folder: Path, url: str) -> None:
    """The fleet by COPY."""
    postgres_store.create(url)
    with closing(postgres_store.session(url, "-c synchronous_commit=off")) as session:
        found = session.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname='public' AND indexname NOT IN "
            "(SELECT conname FROM pg_constraint)"
        ).fetchall()
        for index, _ in found:
            session.execute(f"DROP INDEX {index}".encode())
        for table in fleet.TABLE_NAMES:
            names = fleet.columns_of(folder, table)
            told = f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT csv, NULL '\\N')"
            for csv in fleet.in_csv(folder, table):
                with csv.open("rb") as octets, session.cursor().copy(told.encode()) as copy:
                    while block := octets.read(_BLOCK):
                        copy.write(block)
        for _, made in found:
            session.execute(made.encode())
        session.execute("ANALYZE")


def postgresql_octets(url: str) -> int:
    """What its database takes."""
    return postgres_store.size_octets(url)
