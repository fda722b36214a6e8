"""A question in SQL: read-only, bounded, its :names as fields, its whole state in the address."""

from __future__ import annotations

import re
from typing import Any

from pe_agent.errors import UsageError
from starlette.requests import Request
from starlette.responses import Response

from pe_collector.ops.route import state_of
from pe_collector.query import MOST_ROWS, MOST_S, ask
from pe_collector.store.views import VIEWS
from pe_collector.web.view import page
from pe_collector.web.words import with_words

# Words in quotes and comments are no names; neither is the second half of a time in a text.
_SAID = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|:([A-Za-z_]\w{0,40})", re.DOTALL)
FIRST = "SELECT site, outcome, count(*) AS boots FROM boots WHERE site = :site GROUP BY 1, 2 ORDER BY 3 DESC"


def names_in(query: str) -> tuple[str, ...]:
    """The :names of a query in order, each once."""
    return tuple(dict.fromkeys(match[1] for match in _SAID.finditer(query) if match[1]))


def sql(request: Request) -> Response:
    """The box, and the answer to what is in it; a query that is refused stays in the box."""
    query = request.query_params.get("query", "")
    names = names_in(query)
    values = {name: request.query_params.get(f"p_{name}", "") for name in names}
    said: dict[str, Any] = {"query": query or FIRST, "values": values, "found": None, "problem": "", "api": {}}
    if query:
        said |= _answered(request, query, values)
    limits = f"at most {MOST_ROWS:,} rows and {MOST_S:g} s"
    return page(request, "sql.html", "SQL", **said, views=VIEWS.sorted_tables, limits=limits)


def _answered(request: Request, query: str, values: dict[str, str]) -> dict[str, Any]:
    try:
        with state_of(request).reading() as connection:
            found = ask(connection, query, values)
    except UsageError as exc:
        return {"problem": str(exc)}
    api = {ending: with_words(f"/api/sql{ending}", {"query": query}) for ending in (".json", ".csv")}
    given = "".join(f"&{with_words('', {'param': f'{name}:{value}'})[1:]}" for name, value in values.items())
    return {"found": found, "api": {ending: path + given for ending, path in api.items()}}
