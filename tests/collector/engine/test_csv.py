import csv
import json
import random
from pathlib import Path

import pytest
from pe_agent.errors import Exit, UsageError
from pe_collector.cli import run
from pe_collector.engine.csv_table import Roles, read_table

COLUMNS = ["at", "serial", "ip", "server", "model", "result"]


@pytest.fixture
def path(tmp_path):
    rng = random.Random(3)
    file = tmp_path / "boots.csv"
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        for n in range(800):
            net, server = rng.randrange(8), f"WDS{rng.randrange(3)}"
            bad = (net in (2, 3) and server == "WDS1" and n > 300) or rng.random() < 0.01
            address = f"10.1.{net}.{rng.randrange(10, 200)}"
            at = f"2026-01-05T{8 + n // 60:02d}:{n % 60:02d}:00Z"
            cells = [at, f"m{rng.randrange(400)}", address, server if rng.random() > 0.1 else "", rng.choice("ABCD")]
            writer.writerow([*cells, "filtered" if bad else "fine"])
    return file


OPTIONS = ["--outcome", "result", "--ok", "fine", "--time", "at", "--prefix", "ip", "--machine", "serial"]


def test_the_cause_in_a_table_is_named_as_json(path, capsys):
    assert run(["correlate", str(path), *OPTIONS, "--format", "json"]) == Exit.HEALTHY
    (found,) = json.loads(capsys.readouterr().out)["patterns"]
    assert found["conditions"] == {"prefix": "10.1.2.0/23", "server": "WDS1"}
    assert found["signature"] == ["filtered"]
    assert found["onset"] > "2026-01-05T13:00:00Z"
    assert found["failed"] == found["boots"] >= len(found["machines"]) > 20


def test_the_cause_in_a_table_is_said_in_one_line(path, capsys):
    assert run(["correlate", str(path), *OPTIONS]) == Exit.HEALTHY
    assert "10.1.2.0/23, server WDS1: filtered" in capsys.readouterr().out


def test_a_column_that_is_not_there_is_named_in_the_error(path, capsys):
    assert run(["correlate", str(path), "--outcome", "verdict", "--ok", "fine"]) == Exit.USAGE
    assert "no column 'verdict'" in capsys.readouterr().err


def test_a_time_that_is_none_is_named_with_its_row(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("at,result\n1,ok\nsoon,ok\n")
    with pytest.raises(UsageError, match="row 3: 'soon'"):
        read_table(file, Roles("result", "ok", "at"))


def test_seconds_stay_seconds_and_an_empty_cell_is_not_known(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("at,model,result\n5,A,ok\n2.5,,bad\n")
    read = read_table(file, Roles("result", "ok", "at"))
    assert not read.dated
    assert read.table.at_s.tolist() == [2.5, 5.0]
    assert read.table.columns["model"].codes.tolist() == [-1, 0]
    assert read.table.signatures == ("", "bad")


def write(file, header, rows):
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([header, *rows])
    return str(file)


def named(arguments, capsys):
    assert run(["correlate", *arguments, "--outcome", "result", "--ok", "ok", "--format", "json"]) == Exit.HEALTHY
    return json.loads(capsys.readouterr().out)["patterns"]


def test_a_class_of_unknown_outcomes_holds_those_that_one_cause_shows_as(tmp_path, capsys):
    """A server fails in three ways, a model in a fourth; two more are noise and belong to neither."""
    rng = random.Random(8)
    rows = []
    for _ in range(3000):
        server, model = rng.choice("UVWXYZ"), rng.choice("ABCDEFGH")
        result = rng.choice(["e135", "e5040", "unreachable"]) if server == "W" and rng.random() < 0.9 else "ok"
        result = "driver" if model == "D" and rng.random() < 0.9 else result
        result = rng.choice(["tftp", "disk"]) if result == "ok" and rng.random() < 0.02 else result
        rows.append([server, model, result])
    found = named([write(tmp_path / "t.csv", ["server", "model", "result"], rows)], capsys)
    assert {str(one["conditions"]): one["signature"] for one in found} == {
        "{'server': 'W'}": ["e135", "e5040", "unreachable"],
        "{'model': 'D'}": ["driver"],
    }


def test_where_every_row_failed_nothing_is_compared_with_nothing(tmp_path, capsys):
    rng = random.Random(5)
    rows = [[site := rng.choice("ABCD"), "rpc" if site == "B" else rng.choice(["tftp", "disk"])] for _ in range(400)]
    file = write(tmp_path / "t.csv", ["site", "result"], rows)
    assert run(["correlate", file, "--outcome", "result", "--ok", "ok"]) == Exit.USAGE
    assert "no row has 'ok' in column 'result'" in capsys.readouterr().err


def test_a_column_with_one_value_is_no_cause(tmp_path, capsys):
    rng = random.Random(5)
    rows = [["S", "bad" if rng.random() < 0.3 else "ok"] for _ in range(600)]
    assert named([write(tmp_path / "t.csv", ["server", "result"], rows)], capsys) == []


def test_a_column_called_prefix_is_an_attribute_like_any_other(tmp_path, capsys):
    rng = random.Random(6)
    rows = [
        [f"10.0.{net}.{rng.randrange(200)}", value, "bad" if value == "v2" and net == 3 else "ok"]
        for _ in range(800)
        for net, value in [(rng.randrange(4), rng.choice(["v1", "v2", "v3"]))]
    ]
    file = write(tmp_path / "t.csv", ["ip", "prefix", "result"], rows)
    (found,) = named([file, "--prefix", "ip"], capsys)
    assert found["conditions"] == {"prefix": "10.0.3.0/24", "prefix column": "v2"}
    file = write(
        tmp_path / "u.csv", ["prefix", "result"], [[value, "bad" if value == "v2" else "ok"] for _, value, _ in rows]
    )
    (found,) = named([file], capsys)
    assert found["conditions"] == {"prefix": "v2"}


def test_an_address_may_come_with_its_length(tmp_path, capsys):
    rng = random.Random(7)
    rows = [[f"10.0.{net}.0/23", "bad" if net == 4 else "ok"] for _ in range(400) for net in [2 * rng.randrange(4)]]
    (found,) = named([write(tmp_path / "t.csv", ["ip", "result"], rows), "--prefix", "ip"], capsys)
    assert found["conditions"] == {"prefix": "10.0.4.0/23"}


def test_how_many_addresses_are_none_is_said(tmp_path, capsys):
    rows = [["10.0.0.1", "ok"], ["10.1.1.1:80", "ok"], ["fe80::1", "ok"], ["999.1.1.1", "bad"], ["", "ok"]]
    file = write(tmp_path / "t.csv", ["ip", "result"], rows)
    assert run(["correlate", file, "--outcome", "result", "--ok", "ok", "--prefix", "ip"]) == Exit.HEALTHY
    assert "2 of 4 addresses not understood" in capsys.readouterr().err


@pytest.mark.parametrize("time", ["nan", "-inf", "1e999", "soon"])
def test_a_time_that_is_no_finite_number_is_named_with_its_row(tmp_path, time):
    file = write(tmp_path / "t.csv", ["at", "result"], [["1", "ok"], [time, "ok"]])
    with pytest.raises(UsageError, match="row 3: "):
        read_table(Path(file), Roles("result", "ok", "at"))


def test_the_text_says_how_sure_it_is_and_what_else_it_could_be(tmp_path, capsys):
    rng = random.Random(9)
    rows = [
        [f"s{n}", f"sw{n}" if rng.random() < 0.9 else "", "bad" if n == 3 else "ok"]
        for _ in range(400)
        for n in [rng.randrange(8)]
    ]
    file = write(tmp_path / "t.csv", ["site", "switch", "result"], rows)
    assert run(["correlate", file, "--outcome", "result", "--ok", "ok"]) == Exit.HEALTHY
    said = capsys.readouterr().out
    assert "% fail (exact 95 % interval); chance of such a table" in said
    assert "    or: s" in said
    assert "would decide" in said
