"""How is an answer written? As a table for people; as JSON, a JSON object a line, or CSV for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pe_collector import output
from pe_collector.questions.contract import Answer, Brief, Column, Row


def table(answer: Answer) -> str:
    """Columns side by side in people's units; a column in which no row knows anything is left out."""
    units = {column.name: column.unit for column in answer.question.columns}
    known = [name for name in units if any(row[name] not in (None, "") for row in answer.rows)]
    return output.table([{name: _shown(row[name], units[name]) for name in known} for row in answer.rows])


def fitted(answer: Answer, width: int) -> str:
    """The table; where it is wider than so many characters, the columns that matter most, letters joined in one."""
    whole = table(answer)
    brief = [column for column in answer.question.columns if column.brief]
    if not brief or max(map(len, whole.splitlines())) <= width:
        return whole
    return output.table([_in_brief(row, brief) for row in answer.rows])


def _in_brief(row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for column in columns:
        if column.brief is Brief.LETTER:
            group = column.name.partition("_")[0] + "s"
            shown[group] = shown.get(group, "") + _letter(str(row[column.name] or ""))
        else:
            shown[column.name] = _shown(row[column.name], column.unit)
    return shown


def _letter(said: str) -> str:
    """Of a failed one the large first letter, of others the small one; a point for one that was not reached."""
    return {"failed": "F", "": "."}.get(said.partition(":")[0], said[:1])


def json_rows(answer: Answer) -> str:
    """All rows in one JSON array."""
    return output.json_document(answer.rows)


def json_lines(answer: Answer) -> str:
    """A JSON object a line."""
    return output.json_lines(answer.rows)


def comma_separated(answer: Answer) -> str:
    """CSV with a header, also without rows; nothing in it runs in a spreadsheet."""
    return output.comma_separated(answer.rows, [column.name for column in answer.question.columns])


def document(answer: Answer) -> dict[str, Any]:
    """The answer as the HTTP API gives it: the columns with their units, the rows, and whether there are more."""
    return {
        "question": answer.question.name,
        "columns": [{"name": c.name, "unit": c.unit, "meaning": c.meaning} for c in answer.question.columns],
        "rows": [dict(row) for row in answer.rows],
        "cut": answer.cut,
    }


FORMATS: Mapping[str, Callable[[Answer], str]] = {
    "table": table,
    "json": json_rows,
    "jsonl": json_lines,
    "csv": comma_separated,
}
# What the HTTP API gives for /api/NAME and /api/NAME.ENDING: media type, text.
ENDINGS: Mapping[str, tuple[str, Callable[[Answer], str]]] = {
    "": ("application/json", lambda answer: json.dumps(document(answer))),
    ".json": ("application/json", lambda answer: json.dumps(document(answer))),
    ".jsonl": ("application/x-ndjson", json_lines),
    ".csv": ("text/csv; charset=utf-8", comma_separated),
}


def _shown(value: Any, unit: str) -> Any:
    if value is None or unit not in _SHOWN:
        return value
    return _SHOWN[unit](value)


_SHOWN: Mapping[str, Callable[[Any], Any]] = {
    "time": output.when,
    "s": lambda value: f"{value:.2f} s",
    "share": lambda value: f"{value:.1%}",
    "flag": lambda value: "yes" if value else "no",
}
