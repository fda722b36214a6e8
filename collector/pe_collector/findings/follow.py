"""The patterns of a collector's folder: looked for, noted where nobody serves, and what operations sets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pe_collector import audit
from pe_collector.connection import Connection
from pe_collector.findings.filters import Filters
from pe_collector.findings.live import Noted, Step, correlate, storing
from pe_collector.findings.marks import Setting, set_state
from pe_collector.findings.sentences import iso
from pe_collector.findings.shown import (
    documents_of,
    explain_pattern,
    is_new,
    is_served,
    open_patterns,
    served_at,
    shown,
)
from pe_collector.store import FILE_NAME, create, open_reader, open_writer
from pe_collector.store.catalog import table_names


def patterns_now(folder: Path, filters: Filters, now_s: float, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The patterns of a folder. Where nobody serves it, what was found is noted, so that ids and states last.

    Where a collector serves very many reports, they are those of its last look.

    Raises:
        UsageError: there is no collector in that folder.
    """
    with _reading(folder) as connection:
        looked_s = served_at(connection, now_s)
        if looked_s is not None and not filters.limited:
            say(f"as of {iso(looked_s)}: the collector that serves looks again while reports come")
        if filters.limited or looked_s is not None or not is_new(connection):
            return open_patterns(connection, filters, now_s)
        noted = correlate(connection, now_s)
        rows = shown(connection, documents_of(noted), now_s)
        served = is_served(connection, now_s)
    if not served:
        _note(folder, noted, say)
    return rows


def explained(folder: Path, pattern_id: str, now_s: float, say: Callable[[str], None]) -> dict[str, Any]:
    """All there is to say of a pattern.

    Raises:
        UsageError: there is no such pattern, or no collector.
    """
    patterns_now(folder, Filters(), now_s, say)
    with _reading(folder) as connection:
        return explain_pattern(connection, pattern_id, now_s)


def mark(folder: Path, pattern_id: str, setting: Setting, now_s: float) -> str:
    """Set what operations says of a pattern, and write down who did; returns its whole id.

    Raises:
        UsageError: there is no such pattern, or no collector.
    """
    patterns_now(folder, Filters(), now_s, lambda _: None)
    with closing(open_writer(folder / FILE_NAME)) as connection:
        whole = set_state(connection, pattern_id, setting, now_s)
        said = " ".join(word for word in (setting.value, setting.note) if word)
        audit.record(connection, audit.by_command(now_s, f"patterns {setting.mark}", whole, said))
        return whole


@contextmanager
def _reading(folder: Path) -> Iterator[Connection]:
    """A connection that cannot write to a database of the newest schema."""
    with closing(open_reader(folder / FILE_NAME)) as connection:
        known = "pattern_look" in table_names(connection)
    if not known:
        create(folder)
    with closing(open_reader(folder / FILE_NAME)) as connection:
        yield connection


def _note(folder: Path, noted: Noted, say: Callable[[str], None]) -> None:
    """The answer is worth more than its record: where the folder cannot be written, it is said all the same."""
    try:
        with closing(open_writer(folder / FILE_NAME)) as connection:
            _in_one(connection, storing(noted))
    except sqlite3.OperationalError as exc:
        say(f"not noted: {exc}; ids and states will not last")


def _in_one(connection: Connection, step: Step) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        step(connection)
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.execute("ROLLBACK")
        raise
