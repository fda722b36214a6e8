"""Do the command line, the HTTP API, JSON and CSV say the same?"""

import csv
import io
import json
import urllib.parse

import click
import pytest
from pe_collector.cli import main, run
from pe_collector.questions import LIMIT, QUESTIONS, WORDS, question_named

PATTERN = [column.name for column in question_named("patterns").columns if column.name != "state"]
OWN = [question for question in QUESTIONS if not question.of_its_own]


@pytest.fixture
def cli(seeded, capsys):
    """Runs a command here: exit code, what it printed, what it said."""

    def run_here(*told):
        code = run([*told, "--data", str(seeded.data)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_here


@pytest.mark.parametrize("question", OWN, ids=lambda question: question.name)
def test_command_and_api_give_the_same_rows_in_every_form(seeded, cli, get, words, question):
    # A fixed period that ended, so that nothing moves between two askings.
    period = {"since": str(int(seeded.now_s - 80_000)), "until": str(int(seeded.now_s - 900))}
    asked = words.get(question.name, {}) | period
    options = [f"--{word}={value}" for word, value in period.items()]
    told = [question.name, *words.get(question.name, {}).values(), *options]
    rows = json.loads(cli(*told, "--format", "json")[1])
    query = urllib.parse.urlencode(asked)
    status, media_type, text = get(f"/api/{question.name}?{query}")
    assert (status, media_type) == (200, "application/json")
    assert json.loads(text)["rows"] == rows
    assert [json.loads(line) for line in get(f"/api/{question.name}.jsonl?{query}")[2].splitlines()] == rows
    written = get(f"/api/{question.name}.csv?{query}")[2]
    read = list(csv.DictReader(io.StringIO(written)))
    assert [list(row) for row in read] == [list(row) for row in rows]
    for one, other in zip(read, rows, strict=True):
        assert {name: value or None for name, value in one.items()} == {n: in_csv(v) for n, v in other.items()}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"site": "Berlin Labs"},
        {"site": "Atlantis"},
        {"model": "Amiga 500"},
        {"outcome": "fault"},
        {"outcome": "fault,warning", "subnet": "10.10.0.0/16", "server": "wds01"},
        {"limit": "1"},
    ],
    ids=str,
)
def test_patterns_are_the_same_by_command_and_api_whatever_is_asked(cli, get, asked):
    told = json.loads(cli("patterns", *(f"--{name}={value}" for name, value in asked.items()), "--format", "json")[1])
    rows = json.loads(get(f"/api/patterns?{urllib.parse.urlencode(asked)}")[2])["rows"]
    assert [{name: row[name] for name in PATTERN} for row in told["patterns"]] == [
        {name: row[name] for name in PATTERN} for row in rows
    ]


def test_the_account_of_a_pattern_is_the_same_by_command_and_api(cli, get):
    (name, *_) = (row["id"] for row in json.loads(get("/api/patterns")[2])["rows"])
    told = json.loads(cli("why", name, "--format", "json")[1])
    (row,) = json.loads(get(f"/api/why?pattern={name}")[2])["rows"]
    assert {name: told[name] for name in row if name != "state"} == {n: v for n, v in row.items() if n != "state"}


def test_the_ledger_is_the_same_by_command_and_api_whatever_is_asked(cli, get):
    for asked in ({}, {"since": "10h"}, {"server": "WDS02"}, {"subnet": "10.10.0.0/16"}, {"limit": "1"}):
        rows = json.loads(cli("changes", "list", *(f"--{n}={v}" for n, v in asked.items()), "--format", "json")[1])
        query = urllib.parse.urlencode(asked)
        assert rows == json.loads(get(f"/api/changes?{query}")[2])["rows"]
        assert len(rows) == (2 if not asked else 1)


def test_every_command_knows_the_same_words():
    commands = [main.get_command(click.Context(main), name) for name in ("patterns", "changes", *(q.name for q in OWN))]
    commands[1] = commands[1].get_command(click.Context(commands[1]), "list")
    for command in commands:
        names = {option.removeprefix("--") for parameter in command.params for option in parameter.opts}
        assert {*WORDS, LIMIT.name} <= names, command.name


def in_csv(value):
    return (
        (f"'{value}" if str(value)[:1] in "=+-@" and isinstance(value, str) else str(value))
        if value not in (None, "")
        else None
    )


def test_the_command_writes_csv_too_with_a_header_even_without_rows(cli):
    _, out, _ = cli("subnets", "--site", "Atlantis", "--format", "csv")
    assert out.strip().split(",")[:3] == ["prefix", "site", "boots"]


def test_the_list_names_every_question_with_its_words(get):
    status, _, text = get("/api/")
    assert status == 200
    listed = {row["name"]: row for row in json.loads(text)["questions"]}
    assert list(listed) == [question.name for question in QUESTIONS]
    assert set(json.loads(text)["filters"]) == set(WORDS)
    for question in QUESTIONS:
        expected = [p.name for p in (*question.parameters, LIMIT)]
        assert [p["name"] for p in listed[question.name]["parameters"]] == expected
        assert [c["name"] for c in listed[question.name]["columns"]] == [c.name for c in question.columns]


@pytest.mark.parametrize(
    "path",
    [
        "/api/subnets?subnett=1",
        "/api/subnets?since=yesterday",
        "/api/subnets?since=2h&since=3h",
        "/api/machine",
        "/api/logs?words=%22",
        "/api/timeline?boot=nobody",
        "/api/sql?query=DELETE+FROM+report",
        "/api/sql?query=SELECT+1&x=1",
        "/api/sql",
        "/api/sql?query=WITH+RECURSIVE+n(i)+AS+(SELECT+1+UNION+ALL+SELECT+i%2B1+FROM+n)+SELECT+count(*)+FROM+n",
    ],
)
def test_the_api_refuses_what_it_does_not_understand(get, path):
    status, media_type, text = get(path)
    assert (status, media_type) == (400, "application/json")
    assert json.loads(text)["reason"] == "usage"


def test_a_question_that_is_none_is_not_found(get):
    assert get("/api/nonsense")[0] == 404


def test_sql_over_http_gives_rows_bounded_and_with_parameters(get):
    query = urllib.parse.urlencode({"query": "SELECT count(*) AS n FROM boots WHERE site=:s", "param": "s:Hamburg"})
    _, _, text = get(f"/api/sql?{query}")
    (row,) = json.loads(text)["rows"]
    assert row["n"] > 100
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 5000) SELECT i FROM n"
    document = json.loads(get(f"/api/sql?{urllib.parse.urlencode({'query': many})}")[2])
    assert (len(document["rows"]), document["cut"]) == (1000, True)
    assert get("/api/sql.csv?query=SELECT+7+AS+a")[2] == "a\n7"


def test_sql_over_http_never_shows_the_hash_of_a_secret(get):
    _, _, text = get("/api/sql?query=SELECT+secret_hash,+name+FROM+token")
    assert {row["secret_hash"] for row in json.loads(text)["rows"]} == {None}


def test_the_command_refuses_with_usage(cli):
    code, _, err = cli("subnets", "--since", "yesterday")
    assert code == 2
    assert "is no time" in err


def test_a_cut_answer_says_so(cli):
    _, out, err = cli("machines", "--limit", "2", "--format", "jsonl")
    assert len(out.splitlines()) == 2
    assert "only the first 2" in err


def test_the_table_shows_times_and_shares_for_people(cli):
    _, shown, _ = cli("subnets")
    assert "%" in shown
    assert "Z" in shown.splitlines()[1]
