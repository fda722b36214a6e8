"""Count boots and answers by hour and day anew, from the reports alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from pe_collector.connection import Connection
from pe_collector.store import FILE_NAME, open_reader, open_writer
from pe_collector.store.folding import Step, fold, start_anew

# A transaction holds up those who deliver for about so long.
SPENT_S = 1.0


def recount(folder: Path, now_s: float) -> int:
    """Throw the counts away and make them again, while reports come in; how many days were counted.

    Raises:
        UsageError: there is no collector in that folder.
        StoreError: the database does not take it.
    """
    with closing(open_reader(folder / FILE_NAME)) as reader, closing(open_writer(folder / FILE_NAME)) as writer:
        _in_one(writer, start_anew)
        days = 0
        while stored := _in_one(writer, fold(reader, now_s, SPENT_S)):
            days += stored
        return days


def _in_one(writer: Connection, step: Step) -> int:
    writer.execute("BEGIN IMMEDIATE")
    try:
        answer = step(writer)
    except BaseException:
        writer.execute("ROLLBACK")
        raise
    writer.execute("COMMIT")
    return answer
