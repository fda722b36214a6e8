"""Who asks? Known by an ops token, a cookie of a sign-in, a reverse proxy that was named, or being on this machine."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

from pe_collector import tokens
from pe_collector.listen import is_loopback
from pe_collector.ops.route import state_of
from pe_collector.ops.state import Actor, OpsState
from pe_collector.refusal import Refused
from pe_collector.roles import Role

COOKIE, SECURE_COOKIE = "pe-sign-in", "__Host-pe-sign-in"
# A request with one of these came through a proxy: its user is not known to be one of this machine.
_PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_LAST_USE_S = 60.0


def who_asks(request: Request) -> Actor | None:
    """The one who asks; None when nobody is known. A token that is shown and wrong is not passed over for less."""
    scheme, _, word = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return _by_token(request, word.strip()) if scheme.lower() == "bearer" else None
    state = state_of(request)
    return _by_cookie(request, cookie_of(request)) or _by_proxy(request, state) or _as_local(request, state)


def cookie_of(request: Request) -> str:
    """The sign-in's cookie; empty without one."""
    return request.cookies.get(cookie_name(state_of(request)), "")


def cookie_name(state: OpsState) -> str:
    """With TLS the name itself makes the browser hold it to this host and to TLS."""
    return SECURE_COOKIE if state.access.tls else COOKIE


def peer_of(request: Request) -> str:
    """The address that the request came from."""
    return request.client.host if request.client else ""


def ops_token(state: OpsState, token: str, peer: str) -> tokens.Token | None:
    """The ops token this is; None when it is none, or not good now. Its use is noted, once a minute."""
    now_s = state.now_s()
    try:
        with state.reading() as connection:
            found = tokens.find_token(connection, token, now_s)
            return _used(state, found, peer)
    except Refused:
        return None


def _used(state: OpsState, token: tokens.Token, peer: str) -> tokens.Token | None:
    if token.role is Role.INGEST:
        return None
    now_s = state.now_s()
    if now_s - (token.last_used or 0.0) >= _LAST_USE_S:
        use = (now_s, peer, token.id)
        state.write(lambda c: c.execute("UPDATE token SET last_used=?, last_peer=? WHERE token_id=?", use).rowcount)
    return token


def _by_token(request: Request, word: str) -> Actor | None:
    found = ops_token(state_of(request), word, peer_of(request))
    return Actor(_named(found), found.role, "token", peer_of(request)) if found else None


def _by_cookie(request: Request, cookie: str) -> Actor | None:
    state = state_of(request)
    sign_in = state.sign_ins.find(cookie, state.now_s())
    if sign_in is None:
        return None
    try:
        with state.reading() as connection:
            found = tokens.good_token(connection, sign_in.token_id, state.now_s())
    except Refused:
        return None
    return Actor(_named(found), found.role, "cookie", peer_of(request))


def _by_proxy(request: Request, state: OpsState) -> Actor | None:
    access = state.access
    user = request.headers.get(access.user_header, "").strip() if access.user_header else ""
    if not user or not _is_proxy(request, state):
        return None
    return Actor(user[:100], access.proxy_role, "proxy", peer_of(request))


def _is_proxy(request: Request, state: OpsState) -> bool:
    try:
        address = ipaddress.ip_address(peer_of(request))
    except ValueError:
        return False
    return any(address in network for network in state.access.proxies)


def _as_local(request: Request, state: OpsState) -> Actor | None:
    role = state.access.local_role
    passed_on = any(name in request.headers for name in _PASSED_ON) or _is_proxy(request, state)
    if role is None or passed_on or state.access.tls or not is_loopback(peer_of(request)):
        return None
    return Actor("local", role, "local", peer_of(request))


def _named(token: tokens.Token) -> str:
    return f"{token.name} ({token.id})" if token.name else token.id
