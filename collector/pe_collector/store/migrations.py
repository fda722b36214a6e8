"""Which steps has the schema taken? One file of SQL each, in the order of release; a released one is never edited."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources

MIGRATIONS = (
    "0001_reports",
    "0002_server_events",
    "0003_redaction",
    "0004_questions",
    "0005_patterns",
    "0006_access",
    "0007_alerts",
    "0008_log_blobs",
    "0009_forwarding",
    "0010_outbox",
    "0011_rates",
    "0012_hours",
)


def statements_of(name: str) -> Iterator[str]:
    """The statements of one step, in SQLite's words."""
    statement = ""
    text = resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
