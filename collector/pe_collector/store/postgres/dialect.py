"""How does PostgreSQL want to hear a statement? Statements are written as SQLite takes them (see connection.py)."""

from __future__ import annotations

import re
from functools import lru_cache

# One collector writes at a time, as with SQLite: group commits gain more than writers side by side would, and nothing
# can deadlock. The number is any that nobody else uses.
WRITE_LOCK = 0x70655F636F6C6C
_BEGIN = f"BEGIN; SELECT pg_advisory_xact_lock({WRITE_LOCK})"
_PART = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?|:([a-z_]+)|%|\browid\b")
# SQLite keeps the order of a CROSS JOIN; PostgreSQL needs no such help and takes no ON with it.
_PINNED = re.compile(r"CROSS JOIN (\w+(?: \w+)?) ON\b")
_KINDS = {"REAL": "DOUBLE PRECISION", "INTEGER": "BIGINT", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}
# A cast is the only place where a kind is no column's.
_KIND = re.compile(r"(?<! AS )\b(REAL|INTEGER|BLOB|TEXT)\b")
_CAST = re.compile(r"CAST\(([^()]+) AS INTEGER\)")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
# Full-text search is each engine's own; see `search_vector`.
_OF_SQLITE = ("CREATE VIRTUAL TABLE", "CREATE TRIGGER")
# Letters, digits and everything beyond ASCII make words, as SQLite's tokenizer has it.
_NO_WORD = r"[^0-9A-Za-z\u0080-\uffff]+"


@lru_cache(maxsize=1024)
def translated(sql: str) -> str:
    """The statement with psycopg's placeholders."""
    return _BEGIN if sql == "BEGIN IMMEDIATE" else _PART.sub(_placeholder, _PINNED.sub(r"JOIN \1 ON", sql))


def _placeholder(match: re.Match[str]) -> str:
    part = match[0]
    if match[1]:
        return f"%({match[1]})s"
    words = {"?": "%s", "%": "%%", "rowid": "ctid"}
    return words.get(part) or part.replace("%", "%%")


def schema_statement(sql: str) -> str:
    """A statement of a migration; empty where PostgreSQL has no need of it."""
    text = _COMMENT.sub("", sql).strip()
    if text.startswith(_OF_SQLITE):
        return ""
    # SQLite cuts where PostgreSQL would round.
    text = _CAST.sub(r"floor(\1)::BIGINT", text.replace("WITHOUT ROWID", ""))
    # Only SQLite's full-text search needs that number, and a key without the report could not be distributed.
    text = text.replace("search_key INTEGER NOT NULL UNIQUE", "search_key INTEGER NOT NULL")
    return _KIND.sub(lambda match: _KINDS[match[1]], text)


def split_words(text: str) -> list[str]:
    """The words of a text, as `search_vector` has them."""
    return [word for word in re.split(_NO_WORD, text) if word]


def search_vector(column: str) -> str:
    """The words of a text for full-text search, in any language, as an expression that an index can hold."""
    return f"to_tsvector('simple', regexp_replace({column}, '{_NO_WORD}', ' ', 'g'))"
