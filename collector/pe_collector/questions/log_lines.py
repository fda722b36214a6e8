"""Which machines logged this? Full-text search over the Error and Warning lines of stored logs.

Logs are made searchable off the way in: some time after the commit, and at the latest when somebody searches.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from pe_agent.errors import UsageError
from pe_agent.readers.formats import read_any

from pe_collector.connection import Connection
from pe_collector.questions.contract import Asked, Column, Parameter, Question, Unit
from pe_collector.questions.filters import conditions
from pe_collector.reports import logs_of
from pe_collector.store.functions import in_this_order
from pe_collector.store.postgres.dialect import search_vector, split_words
from pe_collector.store.tables import log_line
from pe_collector.store.views import reports
from pe_collector.store.where import SQLITE

# A report that has no verdict may still grow; after so long without a word its logs are taken as they are.
QUIET_S = 60.0
# Of one log at most so many lines are kept, each of them so long: a log that is nothing but errors says no more.
MOST_LINES, MOST_TEXT = 500, 1000
SPENT_S = 1.0
MANY = 10_000
_LEVELS = {"error": "Error", "fatal": "Error", "critical": "Error", "warning": "Warning", "warn": "Warning"}
_WORD = re.compile(r'"([^"]+)"|(\S+)')
_Line = tuple[str, str, int, str, str]


def catch_up(reader: Connection, now_s: float, spend_s: float = SPENT_S) -> Callable[[Connection], int]:
    """Read logs that wait for it, for `spend_s` seconds; what comes back stores what was read.

    The reading needs no lock; only the storing is for the one who writes, inside a transaction. It says how many
    reports still wait.
    """
    until = time.monotonic() + spend_s
    done: list[str] = []
    lines: list[_Line] = []
    for (report_id,) in reader.execute(
        "SELECT w.report_id FROM log_waiting w JOIN report r ON r.report_id=w.report_id "
        "WHERE r.complete=1 OR r.last_frame_at<? ORDER BY w.since LIMIT 5000",
        (now_s - QUIET_S,),
    ).fetchall():
        lines += _lines_of(reader, report_id)
        done.append(report_id)
        if time.monotonic() > until:
            break
    return lambda writer: _store(writer, done, lines)


def _lines_of(reader: Connection, report_id: str) -> Iterator[_Line]:
    for log in logs_of(reader, report_id):
        kept = 0
        for record in read_any((log.octets,)):
            level = _LEVELS.get(record.fields.level.lower())
            if level is None:
                continue
            yield report_id, log.path, record.line, level, " ".join(record.fields.text.split())[:MOST_TEXT]
            kept += 1
            if kept == MOST_LINES:
                break


def _store(writer: Connection, done: list[str], lines: list[_Line]) -> int:
    (last,) = writer.execute("SELECT coalesce(max(search_key), 0) FROM log_line").fetchone()
    writer.executemany("DELETE FROM log_line WHERE report_id=?", [(report_id,) for report_id in done])
    writer.executemany(
        "INSERT INTO log_line (report_id, path, line, level, text, search_key) VALUES (?,?,?,?,?,?) "
        "ON CONFLICT DO NOTHING",
        [(*line, last + number) for number, line in enumerate(lines, start=1)],
    )
    writer.executemany("DELETE FROM log_waiting WHERE report_id=?", [(report_id,) for report_id in done])
    (waiting,) = writer.execute("SELECT count(*) FROM log_waiting").fetchone()
    return int(waiting)


def full_text(words: str) -> str:
    """A search in FTS5's language: all words must occur, `"in quotes"` as a phrase, `begin*` as a beginning.

    Raises:
        UsageError: there is no word in it.
    """
    terms = []
    for phrase, word in _WORD.findall(words):
        text = (phrase or word).replace('"', " ").strip()
        beginning = not phrase and text.endswith("*")
        if re.search(r"\w", text):
            terms.append(f'"{text.rstrip("*")}"' + ("*" if beginning else ""))
    if not terms:
        raise UsageError(f"{words!r}: a word to look for is needed")
    return " ".join(terms)


def words_of_text(words: str) -> str:
    """The same search in PostgreSQL's language.

    Raises:
        UsageError: there is no word in it.
    """
    phrases = []
    for quoted in re.findall(r'"([^"]*)"(\*?)', full_text(words)):
        parts = split_words(quoted[0])
        phrases.append(" <-> ".join(f"'{part}'" for part in parts) + (":*" if quoted[1] else ""))
    return " & ".join(f"({phrase})" for phrase in phrases if phrase)


def _matching(asked: Asked, words: str, key: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """The one expression that each engine says in its own way; `key` is the line's in SQLite's search."""
    if asked.connection.dialect.name == SQLITE:
        return key.in_(_searched(words))
    vector: sa.ColumnElement[Any] = sa.literal_column(search_vector("log_line.text"))
    return vector.op("@@")(sa.func.to_tsquery("simple", words_of_text(words)))


def _searched(words: str) -> sa.Select[Any]:
    """Keys of the lines that hold the words."""
    search = sa.table("log_search", sa.column("rowid"), sa.column("log_search"))
    return sa.select(search.c.rowid).where(search.c.log_search.op("MATCH")(full_text(words)))


def _logs(asked: Asked) -> sa.Select[Any]:
    own = [log_line.c[name] for name in ("path", "line", "level", "text", "report_id")]
    of_report = ("received_at", "machine_id", "code", "address", "prefix", "site", "server", "image", "outcome")
    looked_up = _newest_first if _are_many(asked, asked.words["words"]) else _line_by_line
    chosen, received_at = looked_up(asked, sa.select(*own, *(reports.c[name] for name in of_report)))
    return chosen.order_by(received_at.desc(), log_line.c.report_id, log_line.c.path, log_line.c.line)


def _line_by_line(asked: Asked, chosen: sa.Select[Any]) -> tuple[sa.Select[Any], sa.ColumnElement[float]]:
    """From the lines to their reports."""
    together = reports.c.report_id == log_line.c.report_id
    matching = _matching(asked, asked.words["words"], log_line.c.search_key)
    found = chosen.join_from(log_line, reports, together).where(matching, *conditions(reports, asked.filters))
    return found, reports.c.received_at


def _newest_first(asked: Asked, chosen: sa.Select[Any]) -> tuple[sa.Select[Any], sa.ColumnElement[float]]:
    """From the newest report on until there are enough lines; reports without any are not read."""
    newest = reports.alias("newest")
    together = newest.c.report_id == log_line.c.report_id
    with_lines = in_this_order(newest, log_line, together)
    # An expression of both, or SQLite would look lines up by their key, or read all of them first for a filter.
    matching = _matching(asked, asked.words["words"], sa.case((together, log_line.c.search_key)))
    whole = in_this_order(with_lines, reports, reports.c.report_id == newest.c.report_id)
    return chosen.select_from(whole).where(matching, *conditions(newest, asked.filters)), newest.c.received_at


def _are_many(asked: Asked, words: str) -> bool:
    """Whether more lines hold the words than should be looked up and sorted; PostgreSQL weighs that itself."""
    if asked.connection.dialect.name != SQLITE:
        return False
    some = sa.select(sa.func.count()).select_from(_searched(words).limit(MANY).subquery())
    return asked.connection.execute(some).scalar() == MANY


LOGS = Question(
    name="logs",
    title="Logs",
    summary="Error and Warning lines of the machines' logs that hold all of these words.",
    columns=(
        Column("received_at", Unit.TIME, "when the report began to come"),
        Column("machine_id"),
        Column("path", meaning="the log, as the machine writes it"),
        Column("line", Unit.COUNT, "line number in what was collected of it"),
        Column("level", meaning="Error or Warning"),
        Column("text"),
        Column("address"),
        Column("prefix"),
        Column("site"),
        Column("server"),
        Column("image"),
        Column("outcome"),
        Column("code"),
        Column("report_id"),
    ),
    select=_logs,
    prepare=catch_up,
    parameters=(Parameter("words", 'All must occur; "a phrase", a beginning*.', leading=True, needed=True),),
)
