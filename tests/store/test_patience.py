"""What PostgreSQL takes too long for is given up with a word of what to do, whoever asked for it."""

import os
import threading
import urllib.error
import urllib.request

import pytest
import sqlalchemy as sa
from pe_collector import cli, store
from pe_collector.questions import Column, Question, ask, connected
from pe_collector.store.where import VARIABLE

from tests.collector.conftest import run_cli, start_collector

psycopg = pytest.importorskip("psycopg")

GAVE_UP = "PostgreSQL gave up, as it does after 60 s; ask for less (since, subnet, site), or ask an export: "
# Each asks in a way of its own: by SQLAlchemy, over a bare session, through both.
COMMANDS = ("machines", "patterns", "why 1", "changes list", "silence", "show X", "tokens list", "export")
PAGES = ("/", "/map", "/patterns", "/q/machines", "/api/machines", "/api/subnets.csv", "/machine/X", "/ports")
WAITING = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type='Lock'"


def sleeping(_asked):
    return sa.select(sa.func.pg_sleep(20).label("slept"))


SLOW = Question(name="slow-one", title="", summary="", columns=(Column("slept"),), select=sleeping)


@pytest.fixture
def on_postgresql(cluster, tmp_path, monkeypatch):
    """A collector's folder, and its rows in PostgreSQL."""
    monkeypatch.setenv(VARIABLE, cluster.new_database())
    done = run_cli("init", data=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    return tmp_path / "data"


@pytest.fixture
def page(on_postgresql):
    """The address of its page."""
    running = start_collector(on_postgresql, tls=False, told=("--ops", "127.0.0.1:0"))
    yield f"http://{running.ops}"
    with running.process:
        running.process.kill()


@pytest.fixture
def held(on_postgresql, cluster):
    """Every table belongs to somebody else from now on, and the server gives up whoever waits for one."""
    done = threading.Event()

    def give_up():
        with psycopg.connect(cluster.url(), autocommit=True) as impatient:
            while not done.wait(0.02):
                impatient.execute(WAITING)

    thread = threading.Thread(target=give_up)
    with psycopg.connect(os.environ[VARIABLE]) as holder:
        tables = [name for (name,) in holder.execute("SELECT tablename FROM pg_tables WHERE schemaname='public'")]
        holder.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        thread.start()
        yield on_postgresql
        done.set()
        thread.join()


def test_a_question_over_its_time_says_what_to_do(on_postgresql):
    with connected(on_postgresql) as connection:
        connection.exec_driver_sql("SET statement_timeout = '50ms'")
        with pytest.raises(store.StoreError) as refused:
            ask(connection, SLOW, {})
    assert str(refused.value) == f"{GAVE_UP}pe-collector export --parquet"


def test_every_command_does(held, capsys):
    for command in COMMANDS:
        assert cli.run([*command.split(), "--data", str(held)]) == 1, command
        assert capsys.readouterr().err == f"pe-collector: {GAVE_UP}pe-collector export --parquet\n", command


def test_every_page_does(page, held):
    for path in PAGES:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(page + path, timeout=20)
        with refused.value as answer:
            assert (answer.code, GAVE_UP in answer.read().decode()) == (503, True), path


def test_a_server_that_is_away_is_told_in_one_line(on_postgresql, monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, "postgresql://pe@/pe?host=/nowhere")
    for command in COMMANDS:
        assert cli.run([*command.split(), "--data", str(on_postgresql)]) == 1, command
        said = capsys.readouterr().err
        assert said.startswith("pe-collector: PostgreSQL cannot be reached: "), command
        assert said.count("\n") == 1, command
