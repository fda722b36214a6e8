"""The store as one who only wants to put reports in and ask questions sees it, whatever the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pe_collector.store.database import create
from pe_collector.store.opening import Arrived
from pe_collector.store.rows import Filed
from pe_collector.store.writer import Stored, Writer

if TYPE_CHECKING:
    import sqlalchemy as sa

Batch = Sequence[tuple[Arrived, Sequence[Filed]]]


class Store:
    """The store of a collector's folder; made if need be. Safe from several threads; `close` it, or use `with`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = Writer(create(folder))

    def put_batch(self, batch: Batch) -> list[Stored]:
        """Reports with their frames, on disk when this returns; those that are there already are not stored twice.

        Raises:
            StoreError: the database did not take one of them; what it took stays, so send all of them again.
            Refused: a report is another machine's, or in quarantine.
        """
        orders = [self._writer.open_and_put(arrived, *frames) for arrived, frames in batch]
        return [order.result() for order in orders]

    def query(self, select: sa.Select[Any]) -> list[dict[str, Any]]:
        """The rows of a question in SQLAlchemy Core."""
        from pe_collector.questions.asking import connected  # noqa: PLC0415 - SQLAlchemy is slow to load

        with connected(self._folder) as connection:
            return [dict(row) for row in connection.execute(select).mappings()]

    def close(self) -> None:
        """Commit what waits, then stop."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
