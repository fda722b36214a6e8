"""What does operations say of a pattern: seen, solved, silent for a while, its own name, part of another?"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pe_agent.errors import UsageError

from pe_collector.connection import Connection

_FEWEST_DIGITS = 4


class Mark(enum.StrEnum):
    """What can be set on a pattern."""

    ACK = "ack"
    RESOLVE = "resolve"
    MUTE = "mute"
    LABEL = "label"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Setting:
    """One mark to set; `value` is the label or the pattern to merge into, `until_s` (Unix seconds) ends a mute."""

    mark: Mark
    value: str = ""
    note: str = ""
    who: str = ""
    until_s: float | None = None


def set_state(connection: Connection, pattern_id: str, setting: Setting, now_s: float) -> str:
    """Set a mark, in place of an earlier one of that kind; the whole id of the pattern. A label without text goes.

    Raises:
        UsageError: there is no such pattern, or a merge names none or itself.
    """
    whole = find_id(connection, pattern_id)
    value = setting.value
    if setting.mark is Mark.MERGE:
        value = find_id(connection, value)
        if value == whole:
            raise UsageError(f"{pattern_id}: a pattern cannot be merged into itself")
    if setting.mark is Mark.LABEL and not value:
        connection.execute("DELETE FROM pattern_mark WHERE pattern_id=? AND mark=?", (whole, setting.mark))
        return whole
    connection.execute(
        "INSERT INTO pattern_mark VALUES (?,?,?,?,?,?,?) ON CONFLICT (pattern_id, mark) DO UPDATE SET "
        "at_s=excluded.at_s, until_s=excluded.until_s, value=excluded.value, note=excluded.note, who=excluded.who",
        (whole, setting.mark, now_s, setting.until_s, value, setting.note, setting.who),
    )
    return whole


def find_id(connection: Connection, name: str) -> str:
    """The id that `name` is, or begins.

    Raises:
        UsageError: it begins no stored pattern, or several.
    """
    word = name.strip().lower()
    rows = connection.execute(
        "SELECT pattern_id FROM pattern WHERE substr(pattern_id,1,length(?))=? ORDER BY pattern_id LIMIT 3",
        (word, word),
    ).fetchall()
    if len(word) < _FEWEST_DIGITS or not rows:
        raise UsageError(f"{name!r} is no pattern here; `pe-collector patterns` lists them")
    if len(rows) > 1 and rows[0]["pattern_id"] != word:
        raise UsageError(f"{name!r} begins several patterns; give more of the id")
    return str(rows[0]["pattern_id"])


def marks_of(connection: Connection) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """All marks by pattern."""
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in connection.execute("SELECT * FROM pattern_mark ORDER BY pattern_id, mark"):
        found[row["pattern_id"]].append(dict(row))
    return found


def marked(document: Mapping[str, Any], marks: Sequence[Mapping[str, Any]], now_s: float) -> dict[str, Any]:
    """The document with what was set: a failure after it was called resolved opens it again."""
    of_kind = {row["mark"]: row for row in marks}
    ack, mute, label = (of_kind.get(mark) for mark in (Mark.ACK, Mark.MUTE, Mark.LABEL))
    resolved, merged = of_kind.get(Mark.RESOLVE), of_kind.get(Mark.MERGE)
    still = resolved is not None and resolved["at_s"] >= document.get("last_failed_s", 0.0)
    return {
        **document,
        "label": label["value"] if label else "",
        "acknowledged": ack is not None,
        "muted": mute is not None and (mute["until_s"] is None or mute["until_s"] > now_s),
        "resolved": still,
        "merged_into": merged["value"] if merged else "",
        "notes": [{"mark": row["mark"], "note": row["note"], "who": row["who"], "at_s": row["at_s"]} for row in marks],
    }
