"""What do failing boots have in common, as cards; one pattern with all there is to say; what operations says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pe_agent.errors import UsageError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pe_collector.findings.marks import Mark, Setting, set_state
from pe_collector.findings.shown import explain_noted, noted_patterns
from pe_collector.ops.guard import form_of
from pe_collector.ops.route import actor_of, note, state_of
from pe_collector.ops.state import OpsState
from pe_collector.questions import connected
from pe_collector.questions.filters import moment
from pe_collector.questions.rates import SLOW_S
from pe_collector.store.views import boots
from pe_collector.web.view import page

CHART_HOURS = 24
_HOUR_S = 3600.0
# Of a larger pattern the chart shows these; its numbers are those of all.
_MOST_MACHINES = 2000
_MOST_TEXT = 300
_SLOW = frozenset({"slow-address", "late-address"})
_MUTES = {"2h": 2.0, "1d": 24.0, "7d": 168.0}


def patterns_page(request: Request) -> Response:
    """Those open now, the clearest first; with `all` muted and resolved ones too."""
    state = state_of(request)
    with state.reading() as connection:
        rows = noted_patterns(connection, state.now_s())
        looked = connection.execute("SELECT at_s FROM pattern_look").fetchone()
    whole = bool(request.query_params.get("all"))
    shown = [row for row in rows if whole or not (row["muted"] or row["resolved"])]
    charts = {row["id"]: _chart(state, row) for row in shown}
    said = {"rows": shown, "hidden": len(rows) - len(shown), "charts": charts, "whole": whole}
    return page(request, "patterns.html", "Patterns", **said, looked_s=looked["at_s"] if looked else None)


def pattern_page(request: Request) -> Response:
    """One pattern."""
    state = state_of(request)
    with state.reading() as connection:
        document = explain_noted(connection, request.path_params["id"], state.now_s())
        others = [row for row in noted_patterns(connection, state.now_s()) if row["id"] != document["id"]]
    said = {"row": document, "chart": _chart(state, document), "others": others, "mutes": _MUTES}
    return page(request, "pattern.html", document["label"] or document["title"], **said)


async def mark(request: Request) -> Response:
    """Set what operations says of it, from the form of its page."""
    return await run_in_threadpool(_marked, request, await form_of(request))


def _marked(request: Request, fields: Mapping[str, str]) -> Response:
    state, pattern_id = state_of(request), request.path_params["id"]
    try:
        kind = Mark(fields.get("mark", ""))
    except ValueError as exc:
        raise UsageError(f"mark is one of {', '.join(Mark)}") from exc
    now_s, hours = state.now_s(), _MUTES.get(fields.get("for", ""))
    until_s = now_s + hours * _HOUR_S if kind is Mark.MUTE and hours else None
    texts = {name: fields.get(name, "")[:_MOST_TEXT] for name in ("value", "note")}
    setting = Setting(kind, **texts, who=actor_of(request).name, until_s=until_s)
    note(request, pattern_id, f"{kind} {texts['value']}".strip())
    whole = state.write(lambda connection: set_state(connection, pattern_id, setting, now_s))
    return RedirectResponse(f"/pattern/{whole}", 303)


def _chart(state: OpsState, document: Mapping[str, Any]) -> dict[str, Any]:
    """Hour by hour, the boots of the pattern's machines: how many, and how many of them showed it."""
    end_s = state.now_s()
    begin_s = end_s - CHART_HOURS * _HOUR_S
    bars = [[0, 0] for _ in range(CHART_HOURS)]
    slow = not _SLOW.isdisjoint(document["signature"])
    for received_s, verdict, wait_s in _boots(state, document["machines"], begin_s):
        bar = bars[min(int((received_s - begin_s) / _HOUR_S), CHART_HOURS - 1)]
        bar[0] += 1
        bar[1] += verdict in document["signature"] or (slow and (wait_s or 0.0) >= SLOW_S)
    onset_s = moment(document["onset"]) if document["onset"] else None
    inside = onset_s is not None and onset_s >= begin_s
    onset = 100 * (onset_s - begin_s) / (end_s - begin_s) if inside and onset_s is not None else None
    return {"bars": bars, "most": max(1, *(count for count, _ in bars)), "onset": onset, "begin_s": begin_s}


def _boots(state: OpsState, machines: Sequence[str], begin_s: float) -> Sequence[Any]:
    chosen = sa.select(boots.c.received_at, boots.c.verdict, boots.c.link_to_address_s).where(
        boots.c.machine_id.in_(list(machines[:_MOST_MACHINES])), boots.c.received_at >= begin_s
    )
    with connected(state.folder) as connection:
        return connection.execute(chosen).all()
