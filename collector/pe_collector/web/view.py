"""How does a page come about? A template, what every page needs, and a page too for what went wrong."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from pe_agent.errors import PeError, UsageError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pe_collector.ops.guard import csrf_identity
from pe_collector.ops.route import actor_of, state_of
from pe_collector.questions import WORDS
from pe_collector.roles import Role, allows
from pe_collector.store.errors import in_words
from pe_collector.web.words import FILTERS, GLOBALS, tame

NAVIGATION = (
    ("/", "Now deploying"),
    ("/patterns", "Patterns"),
    ("/map", "Subnets"),
    ("/ports", "Switches"),
    ("/q/machines", "Machines"),
    ("/q", "Questions"),
    ("/sql", "SQL"),
    ("/upload", "Upload"),
)
Endpoint = Callable[[Request], Response]


@functools.cache
def templates() -> jinja2.Environment:
    """All templates: whatever is put into one is escaped, and marks that hide are written out."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("pe_collector.web"),
        autoescape=True,
        finalize=tame,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(GLOBALS)
    return made


def page(request: Request, template: str, title: str, **said: Any) -> Response:
    """The page of a template; `title` is plain text."""
    return HTMLResponse(templates().get_template(template).render(_common(request), title=title, **said))


def shown(endpoint: Endpoint) -> Endpoint:
    """The endpoint; what it refuses becomes a page that says so."""

    @functools.wraps(endpoint)
    def answer(request: Request) -> Response:
        try:
            return endpoint(request)
        except (PeError, sqlite3.Error) as exc:
            status = 400 if isinstance(exc, UsageError) else 503
            failure = in_words(exc) if isinstance(exc, sqlite3.Error) else exc
            text = (
                templates().get_template("refused.html").render(_common(request), title="Not found", said=str(failure))
            )
            return HTMLResponse(text, status)

    return answer


def asked_filters(request: Request) -> dict[str, str]:
    """The words of the address that every question knows."""
    return {name: value for name, value in request.query_params.items() if name in WORDS and value}


def _common(request: Request) -> Mapping[str, Any]:
    state, actor = state_of(request), actor_of(request)
    path = request.url.path
    return {
        "navigation": NAVIGATION,
        "here": path,
        "address": path + (f"?{request.url.query}" if request.url.query else ""),
        "actor": actor,
        "operator": allows(actor.role, Role.OPERATOR),
        "csrf": state.sign_ins.csrf_word(csrf_identity(request, actor)),
        "now_s": state.now_s(),
        "filters": WORDS,
        "words": dict(request.query_params),
    }
