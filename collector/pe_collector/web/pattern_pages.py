"""What do failing boots have in common, as cards; one pattern with all there is to say; what operations says of it."""

from __future__ import annotations

from collections.abc import Mapping

from pe_agent.errors import UsageError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pe_collector.connection import Connection
from pe_collector.findings.filters import parse_filters
from pe_collector.findings.marks import Mark, Setting, set_state
from pe_collector.findings.shown import Document, explain_noted, noted_patterns, open_patterns
from pe_collector.ops.guard import form_of
from pe_collector.ops.route import actor_of, note, state_of
from pe_collector.questions.filters import parse_filters as parse_words
from pe_collector.web.chart import chart_of
from pe_collector.web.view import asked_filters, page

_HOUR_S = 3600.0
_MOST_TEXT = 300
_MUTES = {"2h": 2.0, "1d": 24.0, "7d": 168.0}


def patterns_page(request: Request) -> Response:
    """Those open now, the clearest first; with `all` muted and resolved ones too."""
    state, words = state_of(request), asked_filters(request)
    with state.reading() as connection:
        rows = _asked_for(connection, words, state.now_s()) if words else noted_patterns(connection, state.now_s())
        looked = connection.execute("SELECT at_s FROM pattern_look").fetchone()
    whole = bool(request.query_params.get("all"))
    shown = [row for row in rows if whole or not (row["muted"] or row["resolved"])]
    charts = {row["id"]: chart_of(state, row) for row in shown}
    said = {"rows": shown, "hidden": len(rows) - len(shown), "charts": charts, "whole": whole, "asked": words}
    return page(request, "patterns.html", "Patterns", **said, looked_s=looked["at_s"] if looked else None)


def _asked_for(connection: Connection, words: Mapping[str, str], now_s: float) -> list[Document]:
    """Those that the filters leave, as the command and the API find them: the boots are looked at anew."""
    return open_patterns(connection, parse_filters(parse_words(words, "", now_s).given), now_s)


def pattern_page(request: Request) -> Response:
    """One pattern."""
    state = state_of(request)
    with state.reading() as connection:
        document = explain_noted(connection, request.path_params["id"], state.now_s())
        others = [row for row in noted_patterns(connection, state.now_s()) if row["id"] != document["id"]]
    said = {"row": document, "chart": chart_of(state, document), "others": others, "mutes": _MUTES}
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
