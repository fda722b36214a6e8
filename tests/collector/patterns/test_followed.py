"""Patterns over time, silence and server events: from the store to the document."""

import json
import time
from contextlib import closing
from dataclasses import astuple, replace

import pytest
from pe_collector import store
from pe_collector.findings import server_events
from pe_collector.findings.changes import Change, chance_of
from pe_collector.findings.filters import Filters
from pe_collector.findings.follow import patterns_now
from pe_collector.findings.live import correlate, note, noted_from_json, noted_to_json, stored, storing
from pe_collector.findings.look import find_patterns, look_at
from pe_collector.findings.sentences import iso
from pe_collector.findings.server_events import ATTRIBUTE, NONE
from pe_collector.findings.shelf import Shelf
from pe_collector.findings.shown import FEW_REPORTS, SERVED_WITHIN_S, open_patterns
from pe_collector.findings.silence import silence_of, silent_boots
from pe_collector.server_logs import ServerEvent
from pe_collector.server_side import store_events

from tests.collector.patterns.anew import with_server_events
from tests.collector.patterns.test_patterns import START_S, boot, story


@pytest.fixture
def database(tmp_path):
    return store.create(tmp_path)


def event(number, at_s, mac="", ip="", text="x", *, level="Info"):
    return ServerEvent("wds-events", at_s, mac, ip, number, text, level, "", "e.xml", round(at_s))


def test_machines_of_one_subnet_that_boot_and_never_report_are_a_pattern(database):
    reported = [replace(one, failures={}, healthy=True) for one in story()]
    seen = [
        event(number, START_S + 9_000 + n * 60 + 20 * k, f"52:54:00:00:01:{n:02x}", f"10.10.3.{n + 20}", "boot.wim")
        for n in range(6)
        for k, number in enumerate(("4096", "4100"))
    ]
    with closing(store.open_writer(database)) as connection:
        store_events(connection, seen)
        silent = silent_boots(connection, 0.0, None)
    assert {silence_of(one) for one in silent} == {"silent-after-image"}
    (found,) = find_patterns(reported, silent)
    assert (found.kind, found.signature) == ("silence", ("silent-after-image",))
    assert found.conditions["prefix"].startswith("10.10.3.")
    assert (found.counts.failed, found.counts.failed_elsewhere) == (6, 0)


def test_an_error_of_the_server_is_an_attribute_of_the_boots_within_a_minute(database):
    boots = [boot(n, f"m{n}", n * 100.0, "10.10.1.5") for n in range(4)]
    with closing(store.open_writer(database)) as connection:
        store_events(
            connection,
            [
                event("", START_S - 10, text="service started"),
                event("", START_S + 130, text="Error in enumerating images. Error [13]", level="Error"),
                event("", START_S + 400, text="other"),
            ],
        )
        found = with_server_events(connection, boots)
    named = "Error in enumerating images. Error [13]"
    assert [one.attributes[ATTRIBUTE] for one in found] == [NONE, named, NONE, NONE]


def test_an_error_about_another_machine_says_nothing_of_this_boot(database):
    with closing(store.open_writer(database)) as connection:
        store_events(connection, [event("", START_S, ip="10.10.1.99", text="refused", level="Error")])
        (one,) = with_server_events(connection, [boot(1, "m", 0.0, "10.10.1.5")])
    assert one.attributes[ATTRIBUTE] == NONE


def test_of_very_many_errors_the_newest_are_known_and_nothing_is_said_of_the_time_before(database, monkeypatch):
    monkeypatch.setattr(server_events, "_MOST_EVENTS", 3)
    boots = [boot(n, f"m{n}", n * 200.0, "10.10.1.5") for n in range(5)]
    with closing(store.open_writer(database)) as connection:
        store_events(
            connection, [event("", START_S + 200 * n, text=f"error {'abcde'[n]}", level="Error") for n in range(5)]
        )
        found = with_server_events(connection, boots)
    assert [one.attributes.get(ATTRIBUTE) for one in found] == [None, None, None, "error d", "error e"]


def test_a_look_survives_its_way_from_one_process_to_another(database):
    with closing(store.open_writer(database)) as connection:
        noted = note(connection, look_at(Shelf.of(story())), START_S + 20_000, "there")
        again = noted_from_json(noted_to_json(noted))
        storing(again)(connection)
        (live,) = stored(connection).values()
        event_row = connection.execute("SELECT state, sentence FROM pattern_event").fetchone()
    assert live.state == "opened"
    assert live.cause.document["conditions"] == {"prefix": "10.10.1.0/24", "server": "WDS01"}
    assert event_row["sentence"] == live.cause.document["sentence"]


@pytest.mark.parametrize("is_over", [False, True])
def test_a_fault_that_was_over_begins_anew(database, is_over):
    seen = look_at(Shelf.of(story()))
    (first,) = seen.patterns
    ended_s = first.onset_s + 600 if is_over else None
    again = replace(first, onset_s=first.onset_s + 7200, onset_after_s=first.onset_s + 7000)
    with closing(store.open_writer(database)) as connection:
        before = replace(seen, patterns=(replace(first, ended_s=ended_s),))
        storing(note(connection, before, first.onset_s + 900, "there"))(connection)
        later = replace(seen, patterns=(again,), whole_since_s=first.onset_s + 3600)
        (live,) = note(connection, later, first.onset_s + 1000, "more").live.values()
    assert live.cause.document["onset"] == iso((again if is_over else first).onset_s)


def test_a_pattern_whose_reports_are_gone_is_not_listed_as_recovering(database):
    with closing(store.open_writer(database)) as connection:
        storing(note(connection, look_at(Shelf.of(story())), START_S + 20_000, "there"))(connection)
        noted = correlate(connection, START_S + 20_030)
        assert noted.live == {}
        storing(noted)(connection)
        (live,) = stored(connection).values()
    assert live.state == "ended"


def bring_very_many(connection):
    """More reports than are looked at anew for every question."""
    texts = "code, machine_id, boot_key, peer, token_id, agent_version, trigger, boot_id, image_build, image_name"
    connection.execute(
        f"INSERT INTO report (report_id, {texts}, os_version, "
        "received_at, last_frame_at, booted_at, carried, protocol) "
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<=?) "
        "SELECT 'r' || x, x, x, x, '', '', '', '', '', '', '', '', x, x, x, 0, 1 FROM n",
        (FEW_REPORTS,),
    )


@pytest.mark.parametrize(
    ("served", "many", "later_s", "seen"),
    [(True, True, 10, 1), (True, False, 10, 0), (True, True, SERVED_WITHIN_S + 1, 0), (False, True, 10, 0)],
)
def test_of_very_many_reports_what_a_serving_collector_saw_last_is_told(database, served, many, later_s, seen):
    with closing(store.open_writer(database)) as connection:
        if many:
            bring_very_many(connection)
        looked = note(connection, look_at(Shelf.of(story())), START_S + 20_000, "there")
        storing(looked, served=served)(connection)
        assert len(open_patterns(connection, now_s=looked.at_s + later_s)) == seen


def test_the_command_says_of_when_the_answer_is(database):
    with closing(store.open_writer(database)) as connection:
        bring_very_many(connection)
        looked = note(connection, look_at(Shelf.of(story())), START_S + 20_000, "there")
        storing(looked, served=True)(connection)
    said = []
    assert len(patterns_now(database.parent, Filters(), looked.at_s + 10, said.append)) == 1
    assert iso(looked.at_s) in said[0]


def test_a_change_that_is_one_of_many_is_no_surprise():
    (pattern,) = find_patterns(story())
    onset_s = pattern.onset_s
    rare = [Change(onset_s - 60, "acl"), Change(onset_s - 30 * 86_400, "old")]
    busy = [Change(onset_s - 600 * n, f"c{n}") for n in range(200)]
    assert chance_of(rare[0], pattern, rare) < 0.01
    assert chance_of(busy[1], pattern, busy) > 0.5
    assert astuple(rare[0])[:2] == (onset_s - 60, "acl")


def test_a_collector_that_serves_looks_by_itself_and_notes_what_it_finds(start, data, cli, frames, monkeypatch):
    monkeypatch.setenv("PE_COLLECTOR_LOOK_EVERY_S", "0.5")
    collector = start()
    for number in range(24):
        bad = number % 2 == 0
        hello = frames.hello(collector.token, bytes(15) + bytes([number]))
        hello.hello.identity.CopyFrom(hello.hello.identity.__class__(serial=f"S{number}"))
        place = frames.address(1)
        place.observation.facts["address"].text = f"10.10.{1 if bad else 2}.{number + 10}"
        rest = [frames.filtered(2), frames.finding(3), frames.summary(4)] if bad else [frames.summary(2)]
        if not bad:
            rest[0].summary.status = "healthy"
        collector.client().send(hello, place, *rest).stored_through(4 if bad else 2)
    until_s = time.monotonic() + 200
    states = []
    while not states and time.monotonic() < until_s:
        time.sleep(0.2)
        rows = cli("sql", "SELECT state, title FROM pattern", "--format", "json", data=data)
        states = json.loads(rows.stdout)
    assert [row["title"] for row in states] == ["10.10.1.0/24 -> 10.10.9.20: TCP 5040 filtered"]
    assert collector.stop() == 0
