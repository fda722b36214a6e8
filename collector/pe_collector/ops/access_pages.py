"""Signing in and out, who one is, the audit log, tokens: the routes that belong to the ops listener itself."""

from __future__ import annotations

import html
from collections.abc import Mapping
from urllib.parse import urlsplit

from pe_agent.errors import UsageError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from pe_collector import audit, tokens
from pe_collector.ops.guard import csrf_identity, form_of
from pe_collector.ops.route import actor_of, note, state_of
from pe_collector.ops.sign_ins import LASTS_S
from pe_collector.ops.who import cookie_name, cookie_of, ops_token, peer_of
from pe_collector.roles import Role

_MOST_DAYS = 3650
_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>pe-collector: sign in</title><link rel="stylesheet" href="/static/style.css"></head><body><main class="sign-in">
<h1>pe-collector</h1>{problem}
<form method="post" action="/sign-in"><input type="hidden" name="next" value="{next}">
<label>Ops token <input name="token" type="password" autocomplete="current-password" autofocus required></label>
<button>Sign in</button></form>
<p>Whoever runs the collector makes one with <code>pe-collector tokens new --role reader</code>.</p>
</main></body></html>
"""


def healthz(request: Request) -> Response:
    """Whether the collector can read its database; says nothing else."""
    with state_of(request).reading() as connection:
        connection.execute("SELECT 1 FROM report LIMIT 1").fetchone()
    return PlainTextResponse("ok\n")


def sign_in_page(request: Request) -> Response:
    """The form."""
    return _form(request.query_params.get("next", "/"))


async def sign_in(request: Request) -> Response:
    """A token for a cookie; the answer to a wrong one says nothing about why."""
    fields = await form_of(request)
    return await run_in_threadpool(_signed_in, request, fields.get("token", ""), fields.get("next", "/"))


def sign_out(request: Request) -> Response:
    """Forget the cookie, here and in the browser."""
    state = state_of(request)
    state.sign_ins.end(cookie_of(request))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(cookie_name(state), secure=state.access.tls, httponly=True, samesite="strict")
    return response


def who(request: Request) -> Response:
    """Who one is here, and the word that changes must carry."""
    actor = actor_of(request)
    word = state_of(request).sign_ins.csrf_word(csrf_identity(request, actor))
    return JSONResponse({"name": actor.name, "role": actor.role, "how": actor.how, "csrf": word})


def audit_log(request: Request) -> Response:
    """What people changed, the newest first."""
    with state_of(request).reading() as connection:
        return JSONResponse({"entries": audit.entries(connection)})


def tokens_list(request: Request) -> Response:
    """All tokens without their secrets."""
    with state_of(request).reading() as connection:
        return JSONResponse({"tokens": tokens.list_tokens(connection)})


async def token_new(request: Request) -> Response:
    """A new token, from a form: role, name, days. The answer is the only time it can be seen."""
    return await run_in_threadpool(_new_token, request, await form_of(request))


def _new_token(request: Request, fields: Mapping[str, str]) -> Response:
    state, name = state_of(request), fields.get("name", "")[:200]
    try:
        role, days = Role(fields.get("role", Role.INGEST)), float(fields.get("days", tokens.DEFAULT_DAYS))
    except ValueError as exc:
        raise UsageError(f"role is one of {', '.join(Role)}, days a number ({exc})") from exc
    if not 0 < days <= _MOST_DAYS:
        raise UsageError(f"days is above 0 and up to {_MOST_DAYS}")
    made = state.write(lambda connection: tokens.new_token(connection, name, state.now_s(), days, role))
    note(request, made.partition(".")[0], f"{role} {name} {days:g} days")
    return JSONResponse({"token": made})


def token_revoke(request: Request) -> Response:
    """Refuse a token from now on."""
    state, token_id = state_of(request), request.path_params["token_id"]
    note(request, token_id)
    state.write(lambda connection: tokens.revoke_token(connection, token_id, state.now_s()))
    return JSONResponse({"revoked": token_id})


def refusals(request: Request) -> Response:
    """How often each reason was given since the collector started."""
    return JSONResponse({"refusals": dict(state_of(request).refusals())})


def _signed_in(request: Request, word: str, wanted: str) -> Response:
    state, peer = state_of(request), peer_of(request)
    if state.sign_ins.too_many_tries(peer):
        return _form(wanted, "Too many wrong tries came from your address; wait a minute.", 429)
    found = ops_token(state, word, peer)
    name, role = (found.id, str(found.role)) if found else ("unknown", "")
    outcome = "done" if found else "refused (403)"
    entry = audit.Entry(state.now_s(), name, role, "token", peer, "sign-in", outcome=outcome)
    state.write(lambda connection: audit.record(connection, entry))
    if found is None:
        state.sign_ins.wrong(peer)
        return _form(wanted, "That is no ops token that is good now.", 403)
    response = RedirectResponse(_here(wanted), 303)
    response.set_cookie(
        cookie_name(state),
        state.sign_ins.begin(found.id, state.now_s()),
        max_age=round(LASTS_S),
        secure=state.access.tls,
        httponly=True,
        samesite="strict",
    )
    return response


def _here(wanted: str) -> str:
    """A path of ours; anything that could lead elsewhere leads to the start."""
    parts = urlsplit(wanted)
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return wanted if ours and wanted.isprintable() else "/"


def _form(wanted: str, problem: str = "", status: int = 200) -> Response:
    said = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
    return HTMLResponse(_FORM.format(problem=said, next=html.escape(_here(wanted), quote=True)), status)
