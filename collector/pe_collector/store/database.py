"""How is a collector's database made and opened? By the engine that its folder names; by default a file in it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import IntEnum
from pathlib import Path

from pe_agent.errors import UsageError

from pe_collector.connection import Connection
from pe_collector.store.engines import ENGINES
from pe_collector.store.errors import StoreError
from pe_collector.store.where import FILE_NAME, place_of

__all__ = ["FILE_NAME", "StoreError", "Task", "create", "is_there", "open_reader", "open_writer", "size_octets", "turn"]


class Task(IntEnum):
    """What one collector does for all that share a database."""

    LOOKING = 1
    LOG_READING = 2
    TELLING = 3
    PASSING = 4
    ROLLING = 5


def create(folder: Path) -> Path:
    """Make the database of `folder` if need be and bring it to the newest schema; gives what the others are told.

    Raises:
        StoreError: it cannot be made or is no database.
        UsageError: the folder names no engine that is here.
    """
    place = place_of(folder / FILE_NAME)
    ENGINES[place.engine].create(place.name)
    return folder / FILE_NAME


def open_writer(path: Path) -> Connection:
    """A connection that commits durably; transactions are begun and ended by hand.

    Usable from one thread at a time, not only the one that opened it.

    Raises:
        StoreError: the server cannot be reached.
    """
    place = place_of(path)
    return ENGINES[place.engine].open_writer(place.name)


def open_reader(path: Path) -> Connection:
    """A connection that cannot write.

    Raises:
        UsageError: there is no collector in that folder.
        StoreError: the server cannot be reached.
    """
    place = place_of(path)
    return ENGINES[place.engine].open_reader(place.name)


def turn(path: Path, task: Task) -> AbstractContextManager[bool]:
    """Whether this collector may do what one of several before the same database does for all, until the block ends."""
    place = place_of(path)
    return ENGINES[place.engine].turn(place.name, task)


def is_there(folder: Path) -> None:
    """Raise where no collector was made.

    Raises:
        UsageError: there is none; it says what to do.
    """
    place = place_of(folder / FILE_NAME)
    if not ENGINES[place.engine].is_there(place.name):
        raise UsageError(f"{folder}: no collector here; run `pe-collector init --data {folder}` first")


def size_octets(folder: Path) -> int:
    """What the rows take on the disk."""
    place = place_of(folder / FILE_NAME)
    return ENGINES[place.engine].size_octets(place.name)
