"""Which engines can hold the store? One row each; a suite of tests holds every one of them to the same contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pe_collector.connection import Connection
from pe_collector.store import sqlite
from pe_collector.store.postgres import engine as postgres
from pe_collector.store.where import POSTGRESQL, SQLITE


@dataclass(frozen=True, slots=True)
class Engine:
    """What every engine can do; `str` is the name of a Place.

    Attributes:
        create: makes what is not there and brings it to the newest schema.
        open_writer: a connection that commits durably; `open_reader`: one that cannot write.
        is_there: whether a collector's tables are there.
        size_octets: what they take on the disk.
        turn: whether this collector may do a task (by number) that one does for all; until the block ends.
    """

    create: Callable[[str], None]
    open_writer: Callable[[str], Connection]
    open_reader: Callable[[str], Connection]
    is_there: Callable[[str], bool]
    size_octets: Callable[[str], int]
    turn: Callable[[str, int], AbstractContextManager[bool]]


def _always(_name: str, _number: int) -> AbstractContextManager[bool]:
    """A file has one collector."""
    return nullcontext(True)  # noqa: FBT003 - the answer


ENGINES: Mapping[str, Engine] = {
    SQLITE: Engine(sqlite.create, sqlite.open_writer, sqlite.open_reader, sqlite.is_there, sqlite.size_octets, _always),
    POSTGRESQL: Engine(
        postgres.create,
        postgres.open_writer,
        postgres.open_reader,
        postgres.is_there,
        postgres.size_octets,
        postgres.turn,
    ),
}
