"""What can be asked of a collector, and what can it not be made to do?"""

import csv
import hashlib
import io
import json
import os

import pytest
from pe_agent import wire
from pe_agent.model import LogChunk, receipt_code


@pytest.fixture
def filled(collector, frames):
    """A collector with one whole report that carries a log in two chunks."""
    octets = os.urandom(3000) + b"2026-11-22 10:00:00, Error  setup\r\n" * 400
    digest = hashlib.sha256(octets).digest()
    path = "X:\\Windows\\Panther\\setupact.log"
    chunks = [LogChunk(path, 0, octets[:4000], 4000), LogChunk(path, 4000, octets[4000:], len(octets), digest)]
    logs = [wire.encode_record(5 + n, chunk) for n, chunk in enumerate(chunks)]
    client = collector.client().send(frames.hello(collector.token), *frames.whole()[:4], *logs, frames.summary(7))
    assert client.stored_through(7).complete
    return octets


def test_a_log_comes_out_octet_for_octet(filled, cli, data, frames):
    for name in ("X:\\Windows\\Panther\\setupact.log", "setupact.log"):
        assert cli("show", receipt_code(frames.report_id), "--log", name, data=data).stdout == filled


def test_a_log_that_is_not_there_is_refused_with_those_that_are(filled, cli, data, frames):
    done = cli("show", frames.report_id.hex(), "--log", "none.log", data=data)
    assert done.returncode == 2
    assert b"setupact.log" in done.stderr


def test_the_page_of_a_report_says_verdict_evidence_and_log(filled, cli, data, frames):
    page = cli("show", frames.report_id.hex()[:8], data=data).stdout.decode()
    assert page.startswith("FAULT: TCP 5040 is filtered\n  network: open TCP 5040\n")
    assert "wds-rpc 10.10.9.20:5040 no answer" in page
    assert "sha256 agrees" in page
    assert "link-up" in page


def test_a_machine_is_shown_by_its_latest_report(filled, collector, cli, data, frames):
    later = bytes(15) + b"\x07"
    collector.client().send(frames.hello(collector.token, later)).all_stored()
    (machine,) = json.loads(cli("machines", "--format", "json", data=data).stdout)
    assert (machine["reports"], machine["outcome"]) == (2, "incomplete")
    report = json.loads(cli("show", machine["machine_id"], "--format", "json", data=data).stdout)
    assert report["report_id"] == later.hex()


def test_reports_of_one_boot_are_one_boot(filled, collector, cli, data, frames):
    collector.client().send(frames.hello(collector.token, bytes(15) + b"\x07")).all_stored()
    rows = json.loads(cli("sql", "SELECT reports FROM boots", "--format", "json", data=data).stdout)
    assert rows == [{"reports": 2}]


def test_another_boot_of_the_machine_is_another_boot(filled, collector, cli, data, frames):
    other = frames.hello(collector.token, bytes(15) + b"\x07")
    other.hello.clock.uptime_s = 4000.0
    collector.client().send(other).all_stored()
    rows = json.loads(cli("sql", "SELECT reports FROM boots", "--format", "json", data=data).stdout)
    assert rows == [{"reports": 1}, {"reports": 1}]


def test_a_name_that_stands_for_nothing_is_refused(cli, data):
    done = cli("show", "7F3K-Q2", data=data)
    assert done.returncode == 2
    assert b"7F3K-Q2" in done.stderr


def test_boots_carry_failures_with_their_targets(filled, data):
    from contextlib import closing

    from pe_collector import store
    from pe_collector.findings.window import Window

    with closing(store.open_reader(data / store.FILE_NAME)) as connection:
        (boot,) = Window().look(connection).seen.boots
    assert boot.failures == {"wds-rpc-filtered": "10.10.9.20:5040"}
    assert (boot.address, boot.subnet, boot.healthy) == ("10.10.1.23", "10.10.1.0/24", False)
    assert boot.attributes["image"] == "WinPE-x64"


def test_patterns_of_a_few_boots_are_none(filled, cli, data):
    assert json.loads(cli("patterns", "--format", "json", data=data).stdout) == {"patterns": []}


def test_a_server_whose_port_is_filtered_for_one_subnet_is_a_pattern(collector, cli, data, frames):
    for number in range(40):
        bad = number % 2 == 0
        hello = frames.hello(collector.token, bytes(15) + bytes([number]))
        hello.hello.identity.CopyFrom(hello.hello.identity.__class__(serial=f"S{number}"))
        place = frames.address(1)
        place.observation.facts["address"].text = f"10.10.{1 if bad else 2}.{number + 10}"
        rest = [frames.filtered(2), frames.finding(3), frames.summary(4)] if bad else [frames.summary(2)]
        if not bad:
            rest[0].summary.status = "healthy"
        collector.client().send(hello, place, *rest).stored_through(4 if bad else 2)
    (pattern,) = json.loads(cli("patterns", "--format", "json", data=data).stdout)["patterns"]
    assert (pattern["failed"], pattern["boots"], pattern["failed_elsewhere"]) == (20, 20, 0)
    assert "wds-rpc-filtered" in pattern["signature"]
    assert pattern["conditions"]["prefix"] == "10.10.1.0/24"
    assert b"10.10.1.0/24" in cli("patterns", data=data).stdout


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM report",
        "UPDATE report SET outcome='healthy'",
        "INSERT INTO report SELECT * FROM report",
        "DROP TABLE report",
        "CREATE TEMP TABLE t (a)",
        "ATTACH DATABASE '/tmp/other.sqlite' AS other",
        "PRAGMA journal_mode=DELETE",
        "SELECT load_extension('x')",
        "VACUUM INTO '/tmp/copy.sqlite'",
        "SELECT 1; DELETE FROM report",
        "SELEC 1",
    ],
)
def test_sql_refuses_all_but_one_select(filled, cli, data, query):
    before = (data / "collector.sqlite").read_bytes()
    done = cli("sql", query, data=data)
    assert done.returncode == 2
    assert done.stderr.startswith(b"pe-collector: ")
    assert b"Traceback" not in done.stderr
    assert (data / "collector.sqlite").read_bytes() == before


def test_sql_never_shows_the_hash_of_a_secret(cli, data):
    rows = json.loads(cli("sql", "SELECT secret_hash, name FROM token", "--format", "json", data=data).stdout)
    assert "first" in {row["name"] for row in rows}
    assert {row["secret_hash"] for row in rows} == {None}


def test_sql_stops_after_a_second(cli, data):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"
    done = cli("sql", endless, data=data)
    assert done.returncode == 2
    assert b"longer than 1 s" in done.stderr


def test_sql_gives_a_thousand_rows_and_says_that_there_are_more(cli, data):
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 5000) SELECT i FROM n"
    done = cli("sql", many, "--format", "jsonl", data=data)
    assert len(done.stdout.splitlines()) == 1000
    assert b"only the first 1000" in done.stderr


def test_sql_takes_values_as_parameters(filled, cli, data):
    query = "SELECT count(*) AS n FROM reports WHERE address=:a"
    for address, count in (("10.10.1.23", 1), ("' OR 1=1 --", 0)):
        done = cli("sql", query, "--param", f"a={address}", "--format", "json", data=data)
        assert json.loads(done.stdout) == [{"n": count}]


def test_what_a_machine_says_cannot_steer_the_terminal(collector, cli, data, frames):
    hello = frames.hello(collector.token)
    hello.hello.identity.model = "\x1b]0;owned\x07\u202egnp.exe"
    collector.client().send(hello, frames.event(1, "\x1b[2J\x9b31m\nFAULT")).stored_through(1)
    for told in (["machines"], ["show", frames.report_id.hex()]):
        shown = cli(*told, data=data).stdout.decode()
        assert not any(c in shown for c in "\x1b\x07\x9b\u202e")
        assert "?" in shown


def test_a_spreadsheet_runs_nothing_from_csv(collector, cli, data, frames):
    hello = frames.hello(collector.token)
    hello.hello.identity.model = "=HYPERLINK(1)"
    collector.client().send(hello).all_stored()
    text = cli("machines", "--format", "csv", data=data).stdout.decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["model"] == "'=HYPERLINK(1)"


def test_since_leaves_out_what_is_older(filled, cli, data):
    assert json.loads(cli("machines", "--since", "1h", "--format", "json", data=data).stdout) != []
    assert json.loads(cli("machines", "--since", "0s", "--format", "json", data=data).stdout) == []
    assert cli("machines", "--since", "yesterday", data=data).returncode == 2


def test_a_folder_without_a_collector_is_named(cli, tmp_path):
    for told in (["machines"], ["tokens", "new"], ["import", __file__], ["serve"]):
        done = cli(*told, data=tmp_path / "none")
        assert done.returncode == 2
        assert b"pe-collector init" in done.stderr
