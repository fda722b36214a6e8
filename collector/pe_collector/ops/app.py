"""The ops application: the routes of the table, each behind its role, in one shell of headers and bounds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pe_agent.errors import PeError, UsageError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pe_collector.ops.guard import guarded, refuse
from pe_collector.ops.route import OpsRoute
from pe_collector.ops.shell import Shell
from pe_collector.ops.state import OpsState
from pe_collector.store.errors import in_words


def app(state: OpsState, routes: Sequence[OpsRoute] | None = None) -> Starlette:
    """The ASGI application; `routes` instead of those of the table are for tests of the guard."""
    if routes is None:
        from pe_collector.ops.routes import ROUTES  # noqa: PLC0415 - the table's endpoints import this package

        routes = ROUTES
    made = Starlette(
        routes=[Route(route.path, guarded(route), methods=list(route.methods)) for route in routes],
        exception_handlers={
            HTTPException: _http_error,
            UsageError: _usage_error,
            PeError: _our_error,
            sqlite3.Error: _our_error,
        },
    )
    # A redirect would repeat the name the caller used.
    made.router.redirect_slashes = False
    made.state.ops = state
    made.add_middleware(Shell, access=state.access)
    return made


def _http_error(_request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    return refuse(status, "http", exc.detail if isinstance(exc, HTTPException) else "")


def _usage_error(_request: Request, exc: Exception) -> Response:
    return refuse(400, "usage", str(exc))


def _our_error(_request: Request, exc: Exception) -> Response:
    return refuse(503, "store", str(in_words(exc) if isinstance(exc, sqlite3.Error) else exc))
