"""The rows of QUESTIONS as an HTTP API: /api/subnets?since=2h, /api/subnets.csv, and /api/ which lists them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pe_agent.errors import UsageError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pe_collector import output
from pe_collector.ops.route import OpsRoute, state_of
from pe_collector.ops.state import OpsState
from pe_collector.query import ask as ask_sql
from pe_collector.questions import LIMIT, QUESTIONS, WORDS, Question, ask, connected
from pe_collector.questions.forms import ENDINGS
from pe_collector.roles import Role

_SQL_WORDS = ("query", "param")


def _listing(_request: Request) -> Response:
    """All questions with their words and columns."""
    return JSONResponse(
        {"questions": [_described(question) for question in QUESTIONS], "filters": WORDS, "sql": "/api/sql?query="}
    )


def _described(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "title": question.title,
        "summary": question.summary,
        "path": f"/api/{question.name}",
        "since": question.since,
        "parameters": [
            {"name": p.name, "summary": p.summary, "needed": p.needed} for p in (*question.parameters, LIMIT)
        ],
        "columns": [{"name": c.name, "unit": c.unit, "meaning": c.meaning} for c in question.columns],
    }


def _answering(question: Question, ending: str) -> Callable[[Request], Response]:
    media_type, written = ENDINGS[ending]

    # Not a coroutine: Starlette runs it in a thread, so that a slow question holds nobody up.
    def answer(request: Request) -> Response:
        state = state_of(request)
        prepare(question, state)
        with connected(state.folder) as connection:
            found = ask(connection, question, _words(request), state.now_s())
        headers = {"x-more-rows": "yes"} if found.cut else {}
        return Response(written(found), media_type=media_type, headers=headers)

    return answer


def _words(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    words = dict(pairs)
    if len(words) != len(pairs):
        raise UsageError("a word stands twice in the address")
    return words


def prepare(question: Question, state: OpsState) -> None:
    """Do what a question needs to be done before it is asked; most need nothing."""
    if question.prepare is not None:
        with state.reading() as reader:
            step = question.prepare(reader, state.now_s())
        state.write(step)


def _sql(ending: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        """One SELECT, at most 1 s and 1,000 rows; `param=name:value` gives a value."""
        unknown = sorted(set(request.query_params) - set(_SQL_WORDS))
        if unknown:
            raise UsageError(f"sql: unknown word {unknown[0]!r}; known are {', '.join(_SQL_WORDS)}")
        if not request.query_params.get("query"):
            raise UsageError("sql: query is missing, for example /api/sql?query=SELECT+count(*)+FROM+boots")
        pairs = [word.partition(":") for word in request.query_params.getlist("param")]
        with state_of(request).reading() as connection:
            found = ask_sql(connection, request.query_params["query"], {name: value for name, _, value in pairs})
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        headers = {"x-more-rows": "yes"} if found.cut else {}
        media_type, _ = ENDINGS[ending]
        return Response(_written(ending, found.columns, rows, found.cut), media_type=media_type, headers=headers)

    return answer


def _written(ending: str, columns: Sequence[str], rows: Sequence[dict[str, Any]], cut: bool) -> str:  # noqa: FBT001
    if ending == ".csv":
        return output.comma_separated(rows, columns)
    if ending == ".jsonl":
        return output.json_lines(rows)
    return json.dumps({"columns": list(columns), "rows": json.loads(output.json_document(rows)), "cut": cut})


ROUTES: tuple[OpsRoute, ...] = (
    OpsRoute("/api/", _listing, Role.READER),
    *(
        OpsRoute(f"/api/{question.name}{ending}", _answering(question, ending), Role.READER)
        for question in QUESTIONS
        for ending in ENDINGS
    ),
    *(OpsRoute(f"/api/sql{ending}", _sql(ending), Role.READER) for ending in ENDINGS),
)
