import csv
import json
import random

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
