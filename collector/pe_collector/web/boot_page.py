"""What happened on one machine? Its latest boot or a chosen one: verdict, timeline, probes, logs, earlier boots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pe_agent.errors import UsageError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pe_collector.ops.route import state_of
from pe_collector.ops.state import OpsState
from pe_collector.questions import ask, connected
from pe_collector.questions.contract import Row
from pe_collector.questions.machines import MACHINE, MACHINES
from pe_collector.reports import find_reports, report_document
from pe_collector.web.silent_page import is_logged
from pe_collector.web.view import page

_MOST_BOOTS = 50
_MOST_BARS = 400
_STATES = frozenset({"ok", "warning", "failed", "skipped", "crashed"})


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of the timeline; `left` and `width` in percent of the boot, `at_s` and `lasted_s` in seconds."""

    at_s: float
    lasted_s: float | None
    state: str
    what: str
    detail: str
    left: float
    width: float


def machine_page(request: Request) -> Response:
    """A machine by anything the search knows; several: the table of them."""
    name, state = request.path_params["name"], state_of(request)
    with connected(state.folder) as connection:
        found = ask(connection, MACHINES, {"search": name, "limit": 2}, state.now_s()).rows
    if not found:
        with state.reading() as bare:
            logged = is_logged(bare, name)
        if logged:
            return RedirectResponse(f"/silent/{quote(name, safe='')}", 303)
        raise UsageError(f"{name!r} is no machine here; search by serial, MAC, UUID, computer name, IP address or code")
    if len(found) > 1:
        return RedirectResponse(f"/q/machines?search={quote(name)}", 303)
    return _page(request, state, str(found[0]["machine_id"]))


def boot_page(request: Request) -> Response:
    """A boot by the code on the machine's screen or the id of its report."""
    return _page(request, state_of(request), request.path_params["name"])


def _page(request: Request, state: OpsState, name: str) -> Response:
    with state.reading() as connection:
        document = report_document(connection, find_reports(connection, name)[0])
    with connected(state.folder) as connection:
        asked = {"machine": document["machine_id"], "limit": _MOST_BOOTS}
        boots = ask(connection, MACHINE, asked, state.now_s()).rows
        machine = ask(connection, MACHINES, {"search": document["machine_id"], "limit": 1}, state.now_s()).rows
    known = machine[0] if machine else {}
    title = f"{known.get('serial') or document['machine_id']} - {document['title'] or document['outcome']}"
    said = {"bars": bars_of(document), "convicting": [*convicting(document)], "boots": boots, "machine": known}
    return page(request, "boot.html", title, report=document, **said)


def bars_of(document: Mapping[str, Any]) -> list[Bar]:
    """Events and probes of a boot in order of time, drawn to one scale."""
    events = [(e["at_s"], None, "event", e["kind"], f"{e['adapter']} {e['detail']}") for e in document["timeline"]]
    probes = [
        (o["started_at_s"], o["elapsed_s"], o["outcome"], o["probe"], f"{o['target']} {o['reason']}")
        for o in document["observations"]
    ]
    known = sorted((row for row in (*events, *probes) if row[0] is not None), key=lambda row: row[0])[:_MOST_BARS]
    end_s = max([1.0, *(at_s + (lasted_s or 0.0) for at_s, lasted_s, *_ in known)])
    return [_bar(row, end_s) for row in known]


def _bar(row: tuple[Any, ...], end_s: float) -> Bar:
    at_s, lasted_s, state, what, detail = row
    left, width = (round(100 * max(value, 0.0) / end_s, 2) for value in (at_s, lasted_s or 0.0))
    shown = state if state in _STATES else "event"
    return Bar(at_s, lasted_s, shown, what, detail.strip(), min(left, 99.2), max(min(width, 100 - left), 0.8))


def convicting(document: Mapping[str, Any]) -> Iterator[Row]:
    """Lines of logs that findings stand on, each with the place that shows it."""
    for finding in document["findings"]:
        for evidence in finding["evidence"]:
            if evidence["file"]:
                place = log_path(document["report_id"], evidence["file"], evidence["line"])
                yield {**evidence, "finding": finding["finding"], "place": place}


def log_path(report_id: str, path: str, line: int = 0) -> str:
    """The address of a log, at a line."""
    where = f"/boot/{report_id}/log?path={quote(path, safe='')}"
    return f"{where}&line={line}#L{line}" if line else where


def lines_with(evidence: Iterable[Row], path: str) -> dict[int, str]:
    """Line -> finding, of one log; logs are named by whole path or by file name."""
    short = _file_name(path)
    same = (row for row in evidence if row["file"].lower() == path.lower() or _file_name(row["file"]) == short)
    return {row["line"]: row["finding"] for row in same}


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].lower()
