"""Every question as a page: its filters as fields, its answer as a table, links to the same as JSON and CSV."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pe_collector.ops.route import state_of
from pe_collector.questions import LIMIT, QUESTIONS, Question, ask, connected, question_named
from pe_collector.questions.http import prepare
from pe_collector.web.silent_page import is_logged
from pe_collector.web.view import page
from pe_collector.web.words import with_words

FIRST_ROWS = 200


def listing(request: Request) -> Response:
    """All questions."""
    return page(request, "questions.html", "Questions", questions=QUESTIONS)


def table(request: Request) -> Response:
    """One question; without a word that it needs, only its fields."""
    question = question_named(request.path_params["name"])
    if question is None:
        raise HTTPException(404)
    words = {name: value for name, value in request.query_params.items() if value}
    missing = [p.name for p in question.parameters if p.needed and p.name not in words]
    api = {ending: with_words(f"/api/{question.name}{ending}", words) for ending in (".json", ".csv")}
    if missing:
        return page(request, "table.html", question.title, question=question, answer=None, api={}, limit=LIMIT)
    state = state_of(request)
    prepare(question, state)
    with connected(state.folder) as connection:
        answer = ask(connection, question, {LIMIT.name: FIRST_ROWS, **words}, state.now_s())
    search = words.get("search", "")
    with state.reading() as connection:
        logged = bool(search) and not answer.rows and is_logged(connection, search)
    known = [c for c in question.columns if any(row[c.name] not in (None, "", [], {}) for row in answer.rows)]
    more = with_words(f"/q/{question.name}", {**words, LIMIT.name: 1000})
    said = {
        "columns": known,
        "api": api,
        "limit": LIMIT,
        "more": more,
        "filled": _filled(question, words),
        "logged": logged,
    }
    return page(request, "table.html", question.title, question=question, answer=answer, **said)


def _filled(question: Question, words: dict[str, str]) -> bool:
    """Whether anything but the leading word was asked for: then the filters are shown open."""
    leading = {parameter.name for parameter in question.parameters if parameter.leading}
    return bool(set(words) - leading)
