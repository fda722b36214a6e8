"""What stands before every endpoint: who asks, with which role, from which page; what was changed is written down."""

from __future__ import annotations

import inspect
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from pe_collector import audit
from pe_collector.ops.route import SAFE_METHODS, OpsRoute, state_of
from pe_collector.ops.state import Actor
from pe_collector.ops.who import cookie_of, who_asks
from pe_collector.roles import Role, allows

CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf"
SIGN_IN_PATH = "/sign-in"
# A page of another origin can make a browser send these with its cookies, or to loopback with nothing at all.
_AMBIENT = frozenset({"cookie", "proxy", "local"})
_BAD_REQUEST, _SERVER_ERROR = 400, 500


def guarded(route: OpsRoute) -> Callable[[Request], Awaitable[Response]]:
    """The route's endpoint behind its checks."""

    async def endpoint(request: Request) -> Response:
        refusal = await _foreign_page(request)
        if route.role is None:
            return refusal or await _call(route, request)
        actor = await run_in_threadpool(who_asks, request)
        if actor is None:
            return _sign_in_first(request)
        request.state.actor = actor
        refusal = refusal or _wrong_role(actor, route.role) or await _without_csrf_word(request, actor)
        response = refusal or await _call(route, request)
        if request.method not in SAFE_METHODS:
            await run_in_threadpool(_write_down, request, actor, response.status_code)
        return response

    return endpoint


def csrf_identity(request: Request, actor: Actor) -> str:
    """To whom a CSRF word belongs: one sign-in, one user of a proxy, or this machine."""
    return cookie_of(request) if actor.how == "cookie" else f"{actor.how}:{actor.name}"


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form as browsers send it; of a field that comes twice the last one."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(urllib.parse.parse_qsl(text, max_num_fields=100))
    except ValueError:
        return {}


async def _call(route: OpsRoute, request: Request) -> Response:
    if inspect.iscoroutinefunction(route.endpoint):
        response: Response = await route.endpoint(request)
        return response
    return await run_in_threadpool(partial(route.endpoint, request))


async def _foreign_page(request: Request) -> Response | None:
    """Browsers say which page a change comes from; programs say nothing."""
    if request.method in SAFE_METHODS:
        return None
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if site not in ("same-origin", "none") or (origin is not None and origin != ours):
        return refuse(403, "foreign-page", "a change must come from a page of this collector")
    return None


async def _without_csrf_word(request: Request, actor: Actor) -> Response | None:
    if request.method in SAFE_METHODS or actor.how not in _AMBIENT:
        return None
    word = request.headers.get(CSRF_HEADER) or (await form_of(request)).get(CSRF_FIELD, "")
    if state_of(request).sign_ins.is_csrf_word(csrf_identity(request, actor), word):
        return None
    return refuse(403, "csrf", f"send the word of GET /api/who as header {CSRF_HEADER} or field {CSRF_FIELD}")


def _wrong_role(actor: Actor, needed: Role) -> Response | None:
    if allows(actor.role, needed):
        return None
    return refuse(403, "role", f"{actor.name} is {actor.role}; this needs {needed}")


def _sign_in_first(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", "") and request.method in SAFE_METHODS:
        back = urllib.parse.quote(str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""))
        return RedirectResponse(f"{SIGN_IN_PATH}?next={back}", 303)
    response = refuse(401, "not-signed-in", "an ops token is needed: `pe-collector tokens new --role reader`")
    response.headers["WWW-Authenticate"] = 'Bearer realm="pe-collector"'
    return response


def refuse(status: int, reason: str, message: str) -> Response:
    """A refusal in the form all of them have."""
    return JSONResponse({"reason": reason, "message": message}, status)


def _write_down(request: Request, actor: Actor, status: int) -> None:
    state = state_of(request)
    target, detail = getattr(request.state, "note", ("", ""))
    outcome = "done" if status < _BAD_REQUEST else f"refused ({status})"
    action = f"{request.method} {request.url.path}"
    entry = audit.Entry(
        state.now_s(), actor.name, actor.role, actor.how, actor.peer, action, target, detail, outcome=outcome
    )
    state.write(lambda connection: audit.record(connection, entry))
