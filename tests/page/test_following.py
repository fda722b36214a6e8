"""What operators do on the page: marks on patterns, signing in, what is carried by hand, an IPv6 subnet."""

import hashlib
import os
import subprocess
import sys
import time
from contextlib import closing

import pytest
from pe_agent import carried, wire
from pe_agent.model import Boot, Clock, Identity, Opening, Report, Status, Verdict
from pe_collector import store, tokens
from pe_collector.roles import Role
from pe_protos.v1 import report_pb2 as pb
from selenium.webdriver.common.by import By

from tests.page.browsing import Visitor
from tests.page.conftest import serving

# What a reader's browser could send although the page shows no button.
_MARK = """
return fetch('/api/who').then(answer => answer.json()).then(who => fetch(arguments[0] + '/mark',
  {method: 'POST', body: new URLSearchParams({mark: 'ack', csrf: who.csrf})})).then(answer => answer.status)
"""


@pytest.fixture(scope="module")
def own(seeded, tmp_path_factory):
    """A collector of this module: what is done to its patterns concerns no other test."""
    with serving(seeded, tmp_path_factory.mktemp("own") / "data") as one:
        yield one


@pytest.fixture(scope="module")
def locked(seeded, tmp_path_factory):
    """A collector whose callers on loopback must sign in too, and a token of each role."""
    data = tmp_path_factory.mktemp("locked") / "data"
    data.mkdir()
    (data / "collector.toml").write_text('ops_local_role = ""\n', encoding="utf-8")
    with serving(seeded, data) as one:
        with closing(store.open_writer(data / store.FILE_NAME)) as connection:
            made = {
                role: tokens.new_token(connection, f"of a {role}", time.time(), 1.0, role)
                for role in (Role.READER, Role.OPERATOR, Role.ADMIN)
            }
        yield one, made


@pytest.fixture
def visit(visiting, own):
    visitor = Visitor(visiting.driver, f"http://{own.ops}")
    visitor.open("/q")
    visitor.complaints()
    return visitor


def submit(visitor, mark, holds, what):
    visitor.run("document.querySelector(`form:has(input[value=${arguments[0]}])`).requestSubmit()", mark)
    visitor.wait(holds, what)


def patterns(own):
    return {row["id"]: row for row in own.cli("patterns", "--all")["patterns"]}


def test_a_resolved_pattern_leaves_the_list_and_says_why(visit, own):
    name = sorted(patterns(own))[0]
    visit.open(f"/pattern/{name}")
    form = "form:has(input[value=resolve]) input[name=note]"
    visit.driver.find_element(By.CSS_SELECTOR, form).send_keys("rule taken back <i>")
    submit(visit, "resolve", lambda: "resolved" in visit.texts(".tag"), "the mark")
    assert "rule taken back <i>" in visit.text()
    assert patterns(own)[name]["resolved"]
    visit.open("/patterns")
    assert f"/pattern/{name}" not in visit.run("return [...document.querySelectorAll('main a')].map(e => e.pathname)")
    assert visit.complaints() == []


def test_a_muted_pattern_is_silent_for_as_long_as_was_chosen(visit, own):
    name = sorted(patterns(own))[-1]
    visit.open(f"/pattern/{name}")
    chosen = visit.run("return document.querySelector('form:has(input[value=mute]) option').innerText")
    submit(visit, "mute", lambda: "muted" in visit.text("main"), "the mark")
    row = patterns(own)[name]
    assert row["muted"]
    assert chosen.split()[0].rstrip("hdw").isdigit()
    assert visit.complaints() == []


def test_what_was_done_on_the_page_stands_in_the_audit_log(visit, own):
    name = sorted(patterns(own))[0]
    visit.open(f"/pattern/{name}")
    submit(visit, "ack", lambda: "acknowledged" in visit.texts(".tag"), "the mark")
    subprocess.run(
        [sys.executable, "-m", "pe_collector", "patterns", "label", name, "by hand", "--data", str(own.data)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (command, page, *_) = own.cli("audit", "list")
    assert (command["how"], command["action"], command["target"]) == ("cli", "patterns label", name)
    assert (page["how"], page["target"], page["detail"]) == ("local", name, "ack")


def test_a_merged_pattern_is_shown_as_a_part_of_the_other(visit, own):
    first, second = sorted(patterns(own))[-2:]
    visit.open(f"/pattern/{first}")
    select = "document.querySelector('form:has(input[value=merge]) select').value = arguments[0]"
    visit.run(select, second)
    submit(visit, "merge", lambda: f"part of {second}" in visit.texts(".tag"), "the mark")
    assert first not in patterns(own)
    assert patterns(own)[second]["merged"] == [first]
    assert own.cli("why", first)["merged_into"] == second
    assert visit.complaints() == []


@pytest.mark.parametrize("role", [Role.READER, Role.OPERATOR, Role.ADMIN])
def test_who_signs_in_may_do_what_the_role_says(visiting, locked, role):
    collector, made = locked
    visitor = Visitor(visiting.driver, f"http://{collector.ops}")
    visitor.open("/patterns")
    assert "/sign-in" in visitor.driver.current_url
    visitor.driver.find_element(By.NAME, "token").send_keys(made[role])
    visitor.run("document.querySelector('form').requestSubmit()")
    visitor.wait(lambda: visitor.driver.current_url.endswith("/patterns"), "the page asked for")
    assert f"({role})" in visitor.text(".who")
    link = visitor.run("return document.querySelector('main a[href^=\"/pattern/\"]').pathname")
    visitor.open(link)
    may = role is not Role.READER
    assert bool(visitor.texts("form[action$='/mark']")) is may
    status = visitor.run(_MARK, link)
    assert status == (200 if may else 403)
    visitor.open("/")
    visitor.run("document.querySelector('form[action=\"/sign-out\"]').requestSubmit()")
    visitor.wait(lambda: "/sign-in" in visitor.driver.current_url, "the form")
    visitor.open("/machine/any")
    assert "/sign-in" in visitor.driver.current_url


def test_a_wrong_token_opens_nothing_and_says_so(visiting, locked):
    visitor = Visitor(visiting.driver, f"http://{locked[0].ops}")
    visitor.open("/sign-in?next=/patterns")
    visitor.driver.find_element(By.NAME, "token").send_keys("a2345678.nonsense")
    visitor.run("document.querySelector('form').requestSubmit()")
    visitor.wait(lambda: "no ops token" in visitor.text(), "the answer")
    visitor.open("/patterns")
    assert "/sign-in" in visitor.driver.current_url


def test_a_bundle_that_an_agent_left_on_a_drive_is_taken(visit, own, tmp_path):
    told = os.environ | {"PE_AGENT_ONLY": "architecture", "PE_AGENT_SPOOL": str(tmp_path)}
    agent = [sys.executable, "-m", "pe_agent", "report", "--no-send", "--quiet"]
    subprocess.run(agent, env=told, check=False, capture_output=True, timeout=120)
    (bundle,) = tmp_path.rglob("*.pespool")
    visit.open("/upload")
    visit.driver.find_element(By.ID, "file").send_keys(str(bundle))
    visit.run("document.querySelector('#upload button').click()")
    visit.wait(lambda: "Open report" in visit.text("#uploaded"), "the upload")
    assert "complete" in visit.text("#uploaded")
    visit.run("document.querySelector('#uploaded a').click()")
    visit.wait(lambda: "/boot/" in visit.driver.current_url, "the boot")
    assert "architecture" in visit.text()
    assert visit.complaints() == []


def test_the_code_off_a_screen_is_taken_however_it_was_typed(visit):
    clock = Clock(5.0, int(time.time() * 1000))
    opening = Opening(os.urandom(16), "0.1.0", "auto", Identity(serial="CODE-ON-SCREEN"), Boot(clock))
    text = carried.encode_report(Report(opening, (Verdict(Status.HEALTHY, "All is well"),)))
    typed = "\n".join(text[at : at + 20] for at in range(0, len(text), 20))
    visit.open("/upload")
    visit.driver.find_element(By.NAME, "code").send_keys(typed)
    visit.run("document.querySelector('form[action=\"/upload/code\"]').requestSubmit()")
    visit.wait(lambda: visit.texts(".answer-said a"), "the answer")
    visit.run("document.querySelector('.answer-said a').click()")
    visit.wait(lambda: "/boot/" in visit.driver.current_url, "the boot")
    assert "CODE-ON-SCREEN" in visit.text()
    assert visit.complaints() == []


def ipv6_report(n):
    """A boot in 2001:db8:7:100::/64, every third one filtered."""
    now_ms = int(time.time() * 1000) - 60_000 * n
    clock = pb.Clock(uptime_s=30, wall_ms=now_ms)
    facts = {"address": pb.Value(text=f"2001:db8:7:100::{n + 1:x}"), "prefix_length": pb.Value(integer=64)}
    state = ("fault", "wds-rpc-filtered") if n % 3 == 0 else ("healthy", "")
    return pb.Report(
        hello=pb.Hello(
            protocol=1,
            agent_version="0.1.0",
            report_id=hashlib.sha256(f"v6-{n}".encode()).digest()[:16],
            trigger="auto",
            identity=pb.Identity(serial=f"V6-{n}"),
            boot=pb.Boot(began=clock),
            clock=clock,
        ),
        observations=[pb.Observation(probe="address", outcome="ok", facts=facts)],
        summary=pb.Summary(status=state[0], finding_id=state[1], title="t"),
    )


def test_the_tree_of_an_ipv6_prefix_agrees_with_the_command_at_each_level(visit, own, tmp_path):
    path = tmp_path / "six.jsonl"
    path.write_text("".join(wire.report_to_json(ipv6_report(n)) + "\n" for n in range(9)), encoding="utf-8")
    own_import = [sys.executable, "-m", "pe_collector", "import", str(path), "--data", str(own.data)]
    subprocess.run(own_import, check=True, capture_output=True, timeout=120)
    visit.open("/map?prefix=2001:db8::/32&since=1d")
    levels = []
    for _ in range(4):
        if "/machine/" in visit.driver.current_url:
            break
        boots, failed = (
            sum(int(text.replace(",", "")) for text in visit.texts(f"td[data-{name}]")) for name in ("boots", "failed")
        )
        prefix = visit.run("return new URL(location).searchParams.get('prefix')")
        rows = own.cli("subnets", "--subnet", prefix, "--since", "1d")
        assert (boots, failed) == (sum(r["boots"] for r in rows), sum(r["failed"] for r in rows)) == (9, 3)
        levels.append(prefix)
        here = visit.driver.current_url
        visit.run("document.querySelector('tbody th a').click()")
        visit.wait(lambda page=here: visit.driver.current_url != page, "the next level")
    assert levels[0] == "2001:db8::/32"
    assert len(levels) >= 3
    assert visit.complaints() == []
