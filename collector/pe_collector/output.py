"""Rows as people and programs read them. What machines sent is made harmless for the terminal first."""

from __future__ import annotations

import csv
import datetime
import io
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
# What a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MOST_CELL = 60


def clean(text: str) -> str:
    """Text without control characters, escape sequences and marks that turn the direction of reading."""
    return "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else "?" for c in text)


def when(unix_s: float | None) -> str:
    """A moment in UTC to the second; empty when not known."""
    if unix_s is None:
        return ""
    try:
        moment = datetime.datetime.fromtimestamp(unix_s, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return "?"
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def table(rows: Sequence[Row]) -> str:
    """Columns side by side, the names on top; long texts are cut."""
    if not rows:
        return "nothing found"
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(names))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells)
    return "\n".join(lines)


def json_document(rows: Sequence[Row]) -> str:
    """All rows in one JSON array."""
    return json.dumps([_plain(row) for row in rows], indent=2)


def json_lines(rows: Sequence[Row]) -> str:
    """A JSON object a line."""
    return "\n".join(json.dumps(_plain(row)) for row in rows)


def comma_separated(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """CSV with a header (`columns`, else those of the first row); a text that a spreadsheet would run is quoted."""
    out = io.StringIO()
    names = list(columns or (rows[0] if rows else ()))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_csv_cell(row[name]) for name in names] for row in rows)
    return out.getvalue().rstrip("\n")


FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "table": table,
    "json": json_document,
    "jsonl": json_lines,
    "csv": comma_separated,
}


def _cell(value: object) -> str:
    text = clean(_text(value))
    return text if len(text) <= _MOST_CELL else text[: _MOST_CELL - 3] + "..."


def _csv_cell(value: object) -> object:
    if isinstance(value, int | float) or value is None:
        return value
    text = _text(value)
    return "'" + text if text.startswith(_FORMULA) else text


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return str(value)


def _plain(row: Row) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
