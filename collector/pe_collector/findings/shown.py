"""What is shown of the patterns: the list of them, and all there is to say of one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pe_collector.connection import Connection
from pe_collector.engine.live import Live
from pe_collector.findings.changes import read_changes
from pe_collector.findings.documents import document_of
from pe_collector.findings.filters import Filters
from pe_collector.findings.live import Known, Noted, correlate, stored, what_is_there
from pe_collector.findings.look import SILENCE
from pe_collector.findings.marks import find_id, marked, marks_of
from pe_collector.findings.sentences import iso
from pe_collector.findings.window import MOST_REPORTS, MOST_SERVED, look

# Who serves looks at least this often while reports come.
SERVED_WITHIN_S = 300.0
# So many are looked at anew in a second or two: then the answer is of now, not of the last look.
FEW_REPORTS = 20_000
_MOST_EVIDENCE = 12
_MOST_REPORTS = 4

Document = dict[str, Any]


def open_patterns(connection: Connection, filters: Filters | None = None, now_s: float | None = None) -> list[Document]:
    """The patterns, the clearest first; those merged into another stand in its `merged`, not in the list.

    What is stored is given where nothing came since the last look, or where a collector looks by itself at more than
    FEW_REPORTS; else the boots are looked at anew.
    """
    filters, now_s = filters or Filters(), time.time() if now_s is None else now_s
    return shown(connection, _documents(connection, filters, now_s), now_s)


def shown(connection: Connection, documents: Iterable[Document], now_s: float) -> list[Document]:
    """Documents with what operations set on them."""
    marks = marks_of(connection)
    whole = [marked(document, marks.get(document["id"], ()), now_s) for document in documents]
    present = {document["id"] for document in whole}
    parts = [document for document in whole if document["merged_into"] in present]
    rest = [document for document in whole if document not in parts]
    for document in rest:
        document["merged"] = [part["id"] for part in parts if part["merged_into"] == document["id"]]
    return rest


def documents_of(noted: Noted) -> list[Document]:
    """The documents of a look, those found now before those that are not found any more."""
    return [_with_state(live) for live in noted.live.values()]


def _documents(connection: Connection, filters: Filters, now_s: float) -> list[Document]:
    if filters.limited:
        return _filtered(connection, filters, now_s)
    if served_at(connection, now_s) is not None or not is_new(connection):
        return _noted(connection)
    return documents_of(correlate(connection, now_s))


def noted_patterns(connection: Connection, now_s: float) -> list[Document]:
    """The patterns as the last look left them, whatever came since: nothing is looked for."""
    return shown(connection, _noted(connection), now_s)


def _noted(connection: Connection) -> list[Document]:
    live = stored(connection).values()
    return sorted(map(_with_state, filter(_is_listed, live)), key=lambda row: (-row["score"], row["id"]))


def is_new(connection: Connection) -> bool:
    """Whether anything came, or went, since the last look."""
    last = connection.execute("SELECT seen FROM pattern_look").fetchone()
    return last is None or bool(last["seen"] != what_is_there(connection))


def served_at(connection: Connection, now_s: float) -> float | None:
    """When a collector that looks again by itself looked last; None where none does, or a look anew is quick."""
    if not is_served(connection, now_s):
        return None
    many = connection.execute("SELECT 1 FROM report LIMIT 1 OFFSET ?", (FEW_REPORTS,)).fetchone()
    return _last_served(connection) if many else None


def is_served(connection: Connection, now_s: float) -> bool:
    """Whether a collector looks again by itself while reports come."""
    last_s = _last_served(connection)
    return last_s is not None and now_s - last_s <= SERVED_WITHIN_S


def _is_served_list(connection: Connection, now_s: float) -> bool:
    """Whether the list without filters is what a collector that serves found; where nothing comes it does not look."""
    return is_served(connection, now_s) or (_last_served(connection) is not None and not is_new(connection))


def _last_served(connection: Connection) -> float | None:
    """When the last look was, if a collector took it that looks again by itself."""
    row = connection.execute("SELECT at_s FROM pattern_look WHERE served<>0").fetchone()
    return float(row["at_s"]) if row is not None else None


def _is_listed(live: Live[Known]) -> bool:
    """What is still in the boots, or was a look ago."""
    return live.state != "ended" or live.cause.ended_s is not None


def _filtered(connection: Connection, filters: Filters, now_s: float) -> list[Document]:
    """Patterns of a part of the time or of the fleet, with the state that is stored of each.

    A part of the list that a serving collector keeps has its numbers: the same boots are looked at.
    """
    of_the_list = not filters.has_period and _is_served_list(connection, now_s)
    seen = look(connection, filters, MOST_SERVED if of_the_list else MOST_REPORTS)
    changes, known = read_changes(connection), stored(connection)
    states = {name: str(live.state) for name, live in known.items()}
    since_s = seen.whole_since_s
    documents = [document_of(pattern, seen.seen, changes, whole_since_s=since_s) for pattern in seen.patterns]
    return [{**document, "state": states.get(document["id"], "opened")} for document in documents]


def _with_state(live: Live[Known]) -> Document:
    return {**live.cause.document, "state": str(live.state)}


def explain_pattern(connection: Connection, pattern_id: str, now_s: float | None = None) -> Document:
    """All there is to say of a pattern: its document, machines, lines of evidence and history.

    Raises:
        UsageError: there is no such pattern.
    """
    now_s = time.time() if now_s is None else now_s
    return _explained(connection, open_patterns(connection, now_s=now_s), pattern_id, now_s)


def explain_noted(connection: Connection, pattern_id: str, now_s: float) -> Document:
    """The same of a pattern as the last look left it.

    Raises:
        UsageError: there is no such pattern.
    """
    return _explained(connection, noted_patterns(connection, now_s), pattern_id, now_s)


def _explained(connection: Connection, documents: Sequence[Document], pattern_id: str, now_s: float) -> Document:
    found = [row for row in documents if len(pattern_id) >= 4 and row["id"].startswith(pattern_id.lower())]
    document = found[0] if len(found) == 1 else _stored_document(connection, pattern_id, now_s)
    return {
        **document,
        "machines_seen": machines_of(connection, document["machines"], silent=document["kind"] == SILENCE),
        "lines": lines_of(connection, document),
        "history": history_of(connection, document["id"]),
    }


def _stored_document(connection: Connection, name: str, now_s: float) -> Document:
    """One that no list has any more: merged into another, or over."""
    (document,) = shown(connection, [_with_state(stored(connection)[find_id(connection, name)])], now_s)
    return document


def machines_of(connection: Connection, machine_ids: Sequence[str], *, silent: bool = False) -> list[Document]:
    """Who they are; of the `silent` ones, which only servers have seen, the MAC (it is their id) and the address."""
    rows = connection.execute(
        "SELECT machine_id, manufacturer, model, serial FROM json_each(?) CROSS JOIN machine ON machine_id=value "
        "ORDER BY machine_id",
        (json.dumps(list(machine_ids)),),
    )
    known = [{**row, "address": "", "silent": False} for row in map(dict, rows)]
    if not silent:
        return known
    others = [name for name in machine_ids if name not in {row["machine_id"] for row in known}]
    return sorted([*known, *(_unheard(connection, name) for name in others)], key=lambda row: row["machine_id"])


def _unheard(connection: Connection, name: str) -> Document:
    """A machine that never reported, by what the servers logged of it."""
    found = connection.execute(
        "SELECT ip FROM server_event WHERE mac=? AND ip<>'' ORDER BY at_s DESC LIMIT 1", (name,)
    ).fetchone()
    nothing = dict.fromkeys(("manufacturer", "model", "serial"), "")
    return {"machine_id": name, **nothing, "address": found["ip"] if found else "", "silent": True}


def lines_of(connection: Connection, document: Mapping[str, Any]) -> list[Document]:
    """What the first and the latest reports have as evidence: lines of logs and answers of probes."""
    reports = dict.fromkeys(row["report_id"] for row in document["evidence"] if "failed" in row["text"])
    rows = connection.execute(
        "SELECT f.report_id, r.code, f.finding, f.evidence FROM json_each(?) CROSS JOIN finding f ON f.report_id=value "
        "JOIN report r ON r.report_id=f.report_id ORDER BY json_each.key, f.sequence",
        (json.dumps(list(reports)[:_MOST_REPORTS]),),
    )
    wanted = set(document["signature"])
    lines = [
        {"report_id": row["report_id"], "code": row["code"], "finding": row["finding"], **evidence}
        for row in rows
        if row["finding"] in wanted
        for evidence in json.loads(row["evidence"])
    ]
    return lines[:_MOST_EVIDENCE]


def history_of(connection: Connection, pattern_id: str) -> list[Document]:
    """What was said of it, and when."""
    rows = connection.execute(
        "SELECT at_s, state, sentence FROM pattern_event WHERE pattern_id=? ORDER BY at_s", (pattern_id,)
    )
    return [{"at": iso(row["at_s"]), "state": row["state"], "sentence": row["sentence"]} for row in rows]
