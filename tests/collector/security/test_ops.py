"""Who may do what on the ops side, from which page, and is it written down?"""

import http.client
import re
from urllib.parse import urlencode

import pytest
from pe_collector.ops.routes import ROUTES
from pe_collector.ops.shell import HEADERS, MOST_BODY_OCTETS
from pe_collector.roles import Role, allows

from tests.collector.security.asking import ask, bearer

FORM = {"content_type": "application/x-www-form-urlencoded"}
PEOPLE = (Role.READER, Role.OPERATOR, Role.ADMIN)
# The way out has a test of its own: it ends the sign-in that the others use.
EVERY = [(route, method) for route in ROUTES if route.path != "/sign-out" for method in route.methods]
NAMES = [f"{method} {route.path}" for route, method in EVERY]
# A proxy's header: the caller is not known to be on this machine, and must sign in.
ELSEWHERE = {"x_forwarded_for": "10.9.9.9"}


def path_of(route):
    return re.sub(r"\{[^}]*\}", "none", route.path)


def sign_in(address, token, **headers):
    return ask(address, "POST", "/sign-in", urlencode({"token": token, "next": "/api/who"}), **FORM, **headers)


def cookie_of(answer):
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def audit(ops):
    admin = (ops.data / "admin.token").read_text().strip()
    return ask(ops.ops, "GET", "/api/audit", **bearer(admin)).document["entries"]


@pytest.mark.parametrize(("route", "method"), EVERY, ids=NAMES)
def test_a_route_answers_only_who_has_its_role(ops, role_tokens, route, method):
    body = "" if method != "GET" else None
    strangers = [ELSEWHERE, bearer("x.y"), bearer(role_tokens["ingest"]), {"authorization": "Basic eDp5"}]
    for headers in strangers:
        status = ask(ops.ops, method, path_of(route), body, **headers).status
        assert (status == 401) == (route.role is not None), headers
    for role in PEOPLE:
        answer = ask(ops.ops, method, path_of(route), body, **bearer(role_tokens[role]))
        refused = answer.status == 403 and b'"reason":"role"' in answer.body
        assert answer.status != 401
        assert refused == (route.role is not None and not allows(role, route.role)), role


def test_every_route_but_the_way_in_needs_a_role():
    # The form to sign in needs its style sheet; static files hold nothing of the fleet.
    assert {route.path for route in ROUTES if route.role is None} == {"/healthz", "/sign-in", "/static/{name}"}
    assert Role.INGEST not in {route.role for route in ROUTES}


def test_what_changes_something_needs_more_than_a_reader():
    changing = {route.path for route in ROUTES if set(route.methods) - {"GET"} and route.role is Role.READER}
    assert changing <= {"/sign-out", "/api/sql"}


@pytest.mark.parametrize("path", ["/healthz", "/sign-in", "/api/who", "/nowhere", "/api/audit"])
def test_every_answer_has_the_headers(ops, path):
    answer = ask(ops.ops, "GET", path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["evil.example", "evil.example:7480", "127.0.0.1.evil.example", ""])
def test_a_page_that_made_its_own_name_point_here_gets_nothing(ops, name):
    assert ask(ops.ops, "GET", "/api/who", host=name).status == 421


def test_a_change_needs_the_word_that_only_our_pages_can_read(ops, role_tokens):
    cookie = cookie_of(sign_in(ops.ops, role_tokens["admin"]))
    path = "/api/tokens/none/revoke"
    assert ask(ops.ops, "POST", path, "", **cookie).document["reason"] == "csrf"
    assert ask(ops.ops, "POST", path, "", **cookie, x_csrf_token="0" * 64).document["reason"] == "csrf"
    other = cookie_of(sign_in(ops.ops, role_tokens["admin"]))
    word = ask(ops.ops, "GET", "/api/who", **other).document["csrf"]
    assert ask(ops.ops, "POST", path, "", **cookie, x_csrf_token=word).document["reason"] == "csrf"
    word = ask(ops.ops, "GET", "/api/who", **cookie).document["csrf"]
    assert ask(ops.ops, "POST", path, "", **cookie, x_csrf_token=word).document["reason"] == "usage"
    assert ask(ops.ops, "POST", path, urlencode({"csrf": word}), **cookie, **FORM).document["reason"] == "usage"


def test_a_local_caller_needs_the_word_too(ops):
    who = ask(ops.ops, "GET", "/api/who").document
    assert (who["how"], who["role"]) == ("local", "operator")
    assert ask(ops.ops, "POST", "/sign-out", "").document["reason"] == "csrf"
    assert ask(ops.ops, "POST", "/sign-out", "", x_csrf_token=who["csrf"]).status == 303


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}]
)
def test_a_change_from_another_page_is_refused_whoever_asks(ops, role_tokens, headers):
    answer = ask(ops.ops, "POST", "/api/tokens", "role=admin", **bearer(role_tokens["admin"]), **FORM, **headers)
    assert answer.document["reason"] == "foreign-page"
    assert sign_in(ops.ops, role_tokens["admin"], **headers).status == 403


def test_the_cookie_of_a_sign_in_is_out_of_reach_of_scripts_and_other_sites(ops, role_tokens):
    answer = sign_in(ops.ops, role_tokens["reader"])
    assert (answer.status, answer.headers["location"]) == (303, "/api/who")
    fields = [field.strip().lower() for field in answer.headers["set-cookie"].split(";")]
    assert {"httponly", "samesite=strict", "path=/"} <= set(fields)
    who = ask(ops.ops, "GET", "/api/who", **cookie_of(answer), **ELSEWHERE).document
    assert (who["how"], who["role"]) == ("cookie", "reader")


def test_a_cookie_ends_with_sign_out_and_with_its_token(ops, role_tokens):
    admin = bearer(role_tokens["admin"])
    made = ask(ops.ops, "POST", "/api/tokens", "role=reader&name=leaves", **admin, **FORM).document["token"]
    first, second = (cookie_of(sign_in(ops.ops, made)) for _ in range(2))
    word = ask(ops.ops, "GET", "/api/who", **first).document["csrf"]
    assert ask(ops.ops, "POST", "/sign-out", "", **first, x_csrf_token=word).status == 303
    assert ask(ops.ops, "GET", "/api/who", **first, **ELSEWHERE).status == 401
    assert ask(ops.ops, "GET", "/api/who", **second, **ELSEWHERE).status == 200
    assert ask(ops.ops, "POST", f"/api/tokens/{made.partition('.')[0]}/revoke", "", **admin).status == 200
    assert ask(ops.ops, "GET", "/api/who", **second, **ELSEWHERE).status == 401


@pytest.mark.parametrize("token", ["", "x.y", "nonsense"])
def test_a_wrong_token_does_not_sign_in_and_is_written_down_without_it(ops, token):
    answer = sign_in(ops.ops, token)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    (entry, *_) = audit(ops)
    assert (entry["action"], entry["actor"], entry["outcome"]) == ("sign-in", "unknown", "refused (403)")


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x", "/\r\nx"]
)
def test_a_sign_in_leads_to_no_other_site(ops, role_tokens, wanted):
    body = urlencode({"token": role_tokens["reader"], "next": wanted})
    assert ask(ops.ops, "POST", "/sign-in", body, **FORM).headers["location"] == "/"


def test_the_form_shows_hostile_text_as_text(ops):
    answer = ask(ops.ops, "GET", "/sign-in?" + urlencode({"next": '/"><script>alert(1)</script>'}))
    assert b"<script" not in answer.body


def test_changes_are_written_down_with_who_what_and_where_from(ops, role_tokens):
    admin = bearer(role_tokens["admin"])
    made = ask(ops.ops, "POST", "/api/tokens", "role=reader&name=lab", **admin, **FORM).document["token"]
    token_id, _, secret = made.partition(".")
    (entry, *_) = audit(ops)
    assert entry["action"] == "POST /api/tokens"
    assert (entry["target"], entry["outcome"], entry["peer"], entry["how"]) == (token_id, "done", "127.0.0.1", "token")
    assert entry["actor"].startswith("admin (")
    assert "lab" in entry["detail"]
    assert secret not in str(audit(ops))


def test_a_refused_change_is_written_down_too(ops, role_tokens):
    ask(ops.ops, "POST", "/api/tokens/abc/revoke", "", **bearer(role_tokens["reader"]))
    (entry, *_) = audit(ops)
    assert (entry["action"], entry["outcome"]) == ("POST /api/tokens/abc/revoke", "refused (403)")
    assert entry["role"] == "reader"


def test_a_request_without_bounds_is_refused(ops, role_tokens):
    body = "x" * (MOST_BODY_OCTETS + 1)
    assert ask(ops.ops, "POST", "/api/tokens", body, **bearer(role_tokens["admin"]), **FORM).status == 413


def test_the_last_use_of_an_ops_token_is_shown(ops, role_tokens):
    ask(ops.ops, "GET", "/api/who", **bearer(role_tokens["reader"]))
    listed = ask(ops.ops, "GET", "/api/tokens", **bearer(role_tokens["admin"])).document["tokens"]
    (mine,) = (row for row in listed if row["token_id"] == role_tokens["reader"].partition(".")[0])
    assert mine["last_used"]
    assert mine["last_peer"] == "127.0.0.1"
    assert "secret_hash" not in mine


def test_off_loopback_there_is_tls_and_nobody_comes_in_without_a_token(start, data):
    collector = start(told=("--ops", "0.0.0.0:0"))
    address = f"127.0.0.1:{collector.ops.rpartition(':')[2]}"
    ca = data / "ca.pem"
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(address, "GET", "/healthz")
    assert ask(address, "GET", "/healthz", ca=ca).status == 200
    assert ask(address, "GET", "/api/who", ca=ca).status == 401
    answer = sign_in(address, (data / "admin.token").read_text().strip(), ca=ca)
    assert answer.headers["set-cookie"].startswith("__Host-")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert ask(address, "GET", "/api/who", ca=ca, **cookie_of(answer)).document["role"] == "admin"
    assert "strict-transport-security" in answer.headers


def test_a_proxy_is_believed_only_from_its_address_and_with_its_role(start, data):
    told = 'ops_user_header = "x-remote-user"\nops_proxies = ["{}"]\nops_proxy_role = "reader"\n'
    (data / "collector.toml").write_text(told.format("127.0.0.1"))
    collector = start(told=("--ops", "127.0.0.1:0"))
    who = ask(collector.ops, "GET", "/api/who", x_remote_user="anna").document
    assert (who["name"], who["role"], who["how"]) == ("anna", "reader", "proxy")
    assert ask(collector.ops, "GET", "/api/who").status == 401
    collector.stop()
    (data / "collector.toml").write_text(told.format("10.1.2.3"))
    collector = start(told=("--ops", "127.0.0.1:0"))
    assert ask(collector.ops, "GET", "/api/who", x_remote_user="anna").document["how"] == "local"
    assert ask(collector.ops, "GET", "/api/who", x_remote_user="anna", **ELSEWHERE).status == 401
