"""An export answers questions and SELECTs; it reads nothing else and changes nothing."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pe_agent.errors import UsageError
from pe_collector import questions
from pe_collector.analytics import duck
from pe_collector.analytics.parquet import export
from pe_collector.cli import main


@pytest.fixture
def history(data: Path) -> Path:
    export(data, data / "history", 0.0, math.inf)
    return data / "history"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/tmp/*.parquet')",
        "SELECT * FROM 'https://example.invalid/a.parquet'",
        "SELECT getenv('HOME')",
    ],
)
def test_nothing_but_the_export_can_be_read(history, statement):
    with pytest.raises(UsageError, match=r"Permission|disabled|not.*exist|only supported"):
        duck.ask_sql(history, statement, {})


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{history}/evil.csv'",
        "SET enable_external_access=true",
        "ATTACH '{history}/evil.duckdb'",
        "DROP VIEW reports",
        "INSTALL httpfs",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{history}/evil.csv'",
        "SELECT 1; SELECT 2",
        "",
    ],
)
def test_nothing_but_one_select_is_run(history, statement):
    with pytest.raises(UsageError, match="only one SELECT"):
        duck.ask_sql(history, statement.format(history=history), {})
    assert not list(history.glob("evil*"))


def test_the_settings_are_locked(history):
    connection = duck.opened(history)
    with pytest.raises(duck.duckdb().Error, match="locked"):
        connection.execute("SET allowed_directories=['/']")


def test_a_query_that_takes_too_long_is_ended(history):
    with pytest.raises(UsageError, match="longer than"):
        duck.ask_sql(
            history, "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range+b.range=7", {}, seconds=0.2
        )


def test_a_parameter_is_a_value(history):
    word = "' OR 1=1 --"
    assert duck.ask_sql(history, "SELECT count(*) FROM reports WHERE title=$word", {"word": word}).rows == ((0,),)


@pytest.mark.parametrize("name", sorted(duck.REFUSED))
def test_a_question_that_needs_the_collector_says_so(history, name):
    with pytest.raises(UsageError, match=f"^{name} is asked of the collector"):
        duck.ask_export(history, questions.question_named(name), {})


def test_only_questions_are_refused():
    assert set(duck.REFUSED) < {question.name for question in questions.QUESTIONS}


def test_a_folder_without_an_export_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="export --parquet"):
        duck.opened(tmp_path)


def test_an_export_without_a_row_answers_with_none(tmp_path):
    run("init", "--data", tmp_path / "data")
    run("export", "--data", tmp_path / "data", "--parquet", tmp_path / "out")
    assert json.loads(run("subnets", "--parquet", tmp_path / "out", "--format", "json")) == []


def run(*words: object) -> str:
    done = CliRunner().invoke(main, [*map(str, words)], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.stdout


def test_the_commands_ask_the_export(data, history):
    wide = ("--since", "2020-01-01", "--format", "json")
    assert run("export", "--data", data, "--parquet", history).endswith("had everything\n")
    from_export = run("servers", *wide, "--parquet", history)
    assert json.loads(from_export)
    assert from_export == run("servers", *wide, "--data", data)
    counted = run("sql", "SELECT count(*) AS n FROM reports", "--parquet", history, "--format", "json")
    assert counted == run("sql", "SELECT count(*) AS n FROM reports", "--data", data, "--format", "json")


def test_without_duckdb_it_says_what_to_install(data):
    told = "import sys; sys.modules['duckdb']=None; from pe_collector.cli import run; sys.exit(run(sys.argv[1:]))"
    words = ["export", "--data", str(data), "--parquet", str(data / "out")]
    done = subprocess.run([sys.executable, "-c", told, *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "pip install 'pe-agent[analytics]'" in done.stderr
