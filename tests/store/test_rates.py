"""Counts of hours that are over say the same as the reports, whatever came, went or was hidden, and whoever counts."""

import json
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pe_collector import quarantine, store
from pe_collector.questions import asking, question_named
from pe_collector.store.folding import SETTLES_S, fold, start_anew
from pe_collector.store.opening import Through
from pe_collector.store.where import VARIABLE
from pe_collector.tokens import new_token
from pe_collector.upkeep.prune import Keep, prune
from pe_collector.upkeep.recount import recount

from tests.store.hours import CELLS, DAY_S, NOW, OF_SITES, cells, check, come, fold_now, given_sites
from tests.store.test_failover import PATIENCE_S, _listen, start_hub, wait_for


def tokens(connection):
    for name in ("t0", "t1"):
        new_token(connection, name, NOW)
        connection.execute("UPDATE token SET token_id=? WHERE name=?", (name, name))


def go_on(connection):
    """What began says the rest, unless it is hidden, and something of it twice."""
    asked = "SELECT report_id, received_at FROM report WHERE complete=0"
    for report_id, received_at in connection.execute(asked).fetchall():
        for frames in (slice(None), slice(2)):
            come(connection, int(report_id, 16), received_at, "fault", 2, 135, frames=frames)


def act(folder, connection, step, number):
    kind, value = step
    if kind == "come":
        thirds, *told = value
        come(connection, number, NOW - thirds * 1200.0, *told)
    elif kind == "begin":
        come(connection, number, NOW - value * 1200.0, frames=slice(1))
    elif kind == "go on":
        go_on(connection)
    elif kind == "passed on":
        come(connection, number, NOW - value * 1200.0, "fault", 0, 135, through=Through("leaf", NOW), carried=True)
    elif kind == "hide":
        quarantine.hide(connection, value, 0.0, NOW)
    elif (
        kind == "lift"
        and connection.execute("SELECT 1 FROM quarantine WHERE lifted IS NULL AND token_id=?", (value,)).fetchone()
    ):
        quarantine.lift(connection, value, NOW)
    elif kind == "prune":
        prune(folder, Keep(value * DAY_S, value * DAY_S, 0.0, 0.0), NOW, lambda _: None)
    elif kind == "sites":
        given_sites(connection, value)
    elif kind == "fold":
        fold_now(connection, NOW - value * 3600.0)


TOKEN = st.sampled_from(["t0", "t1"])
STEP = st.one_of(
    st.tuples(
        st.just("come"),
        st.tuples(
            st.integers(0, 250),
            st.sampled_from(["healthy", "fault"]),
            st.integers(0, 3),
            st.sampled_from([135, 5040]),
        ),
    ),
    st.tuples(st.just("come"), st.tuples(st.integers(0, 9), st.just("fault"), st.just(1), st.just(135))),
    st.tuples(st.just("begin"), st.integers(0, 90)),
    st.tuples(st.just("go on"), st.none()),
    st.tuples(st.just("passed on"), st.integers(0, 250)),
    st.tuples(st.just("hide"), TOKEN),
    st.tuples(st.just("lift"), TOKEN),
    st.tuples(st.just("prune"), st.integers(0, 3)),
    st.tuples(st.just("sites"), st.integers(1, 3)),
    st.tuples(st.just("fold"), st.integers(-4, 30)),
)


@given(st.lists(STEP, min_size=4, max_size=24))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_counts_say_what_the_reports_say_whatever_happened(steps):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(store.open_writer(store.create(folder))) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            tokens(connection)
            for number, step in enumerate(steps, start=1):
                act(folder, connection, step, number)
                check(folder)
            fold_now(connection, NOW + SETTLES_S + DAY_S)
            check(folder)
            assert connection.execute("SELECT count(*) FROM rate_hour WHERE times<>folded").fetchone()[0] == 0
            as_they_came = cells(connection)
            start_anew(connection)
            assert not any(cells(connection).values())
            fold_now(connection, NOW + SETTLES_S + DAY_S)
            assert cells(connection) == as_they_came


def test_the_same_on_every_engine_and_for_a_site_too(folder, counted_hours):
    check(folder)
    given_sites(counted_hours, 2)
    check(folder)
    while fold_now(counted_hours, NOW):
        pass
    with asking.connected(folder) as connection:
        for name in OF_SITES:
            rows = asking.ask(connection, question_named(name), {"since": "7d", "site": "SITE1"}, NOW).rows
            assert {row["site"] for row in rows} == {"site1"}, name


def test_cells_are_used_and_only_the_rest_is_counted(folder, counted_hours):
    """Cells are what is told, for whoever changes them: so no question counts everything each time."""
    counted_hours.execute("UPDATE rate_subnet_day SET boots=boots+1000")
    with asking.connected(folder) as connection:
        told = asking.ask(connection, question_named("subnet-days"), {"since": "7d"}, NOW).rows
        by_server = asking.ask(connection, question_named("subnet-days"), {"since": "7d", "server": "none"}, NOW).rows
    assert sum(row["boots"] for row in told) > 1000
    assert by_server == ()


def test_what_changes_while_it_is_counted_is_counted_again(folder, counted_hours):
    step = fold(counted_hours, NOW + DAY_S, 60.0)
    come(counted_hours, 99, NOW - 6000.0)
    before = cells(counted_hours)
    counted_hours.execute("BEGIN IMMEDIATE")
    step(counted_hours)
    counted_hours.execute("COMMIT")
    check(folder)
    day_at = NOW // DAY_S * DAY_S
    assert [row for row in cells(counted_hours)["rate_subnet_day"] if row[0] == day_at] == [
        row for row in before["rate_subnet_day"] if row[0] == day_at
    ]


def test_two_who_count_at_once_count_nothing_twice(folder, counted_hours):
    come(counted_hours, 99, NOW - 50 * 3600.0)
    steps = [fold(counted_hours, NOW + DAY_S, 60.0) for _ in range(2)]
    for step in steps:
        counted_hours.execute("BEGIN IMMEDIATE")
        step(counted_hours)
        counted_hours.execute("COMMIT")
        check(folder)


def test_counted_anew_it_is_the_same(folder, counted_hours):
    before = cells(counted_hours)
    for table in CELLS:
        counted_hours.execute(f"DELETE FROM {table}")
    counted_hours.execute("DELETE FROM rate_hour")
    assert recount(folder, NOW) == len({row[0] for row in before["rate_subnet_day"]})
    assert cells(counted_hours) == before


def test_hubs_write_while_one_counts(cluster, tmp_path, monkeypatch):
    """Nobody waits for the other for ever, and nothing is counted twice or not at all."""
    url = cluster.new_database()
    monkeypatch.setenv(VARIABLE, url)
    path = store.create(tmp_path)
    hubs = [start_hub(tmp_path, number, url) for number in (1, 2)]
    threads = [threading.Thread(target=_listen, args=(hub,), daemon=True) for hub in hubs]
    for thread in threads:
        thread.start()
    with closing(store.open_writer(path)) as connection:
        for number in range(1, 6):
            come(connection, number, NOW + number * 1200.0)
            assert fold_now(connection, time.time()) == 1
            wait_for(hubs, [len(hub.acknowledged) + 1 for hub in hubs])
        for hub in hubs:
            hub.process.stdin.close()
        assert [hub.process.wait(PATIENCE_S) for hub in hubs] == [0, 0]
        for hub, thread in zip(hubs, threads, strict=True):
            thread.join(PATIENCE_S)
            hub.process.stdout.close()
        while fold_now(connection, time.time() + 2 * DAY_S):
            pass
        check(tmp_path)
        counted_boots = connection.execute("SELECT sum(boots) FROM rate_site_hour").fetchone()[0]
    assert counted_boots == 5 + sum(len(hub.acknowledged) for hub in hubs)


def test_an_answer_is_one_line_a_cell(folder, counted_hours):
    with asking.connected(folder) as connection:
        (newest, *_) = asking.ask(connection, question_named("site-hours"), {}, NOW).rows
        ports = asking.ask(connection, question_named("ports"), {}, NOW).rows
    assert newest["hour_at"] == (NOW - 6000.0) // 3600 * 3600
    assert (newest["site"], newest["boots"]) == (None, 1)
    assert {(row["probe"], row["port"]) for row in ports} == {("wds-rpc", 5040)}
    assert sum(row["asked"] for row in ports) == 39
    assert sum(row["failed"] for row in ports) == 9
    assert json.dumps(ports[0])
