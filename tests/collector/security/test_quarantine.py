"""What a token sent is hidden from everything that answers, and comes back whole."""

import json
import os
import sqlite3
from contextlib import closing

import grpc
import pytest
from pe_protos.v1 import report_pb2 as pb

from tests.collector.security.asking import ask, bearer

GOOD, BAD = "GoodMachine", "BadMachine"
MACS = {GOOD: "52:54:00:00:00:01", BAD: "52:54:00:00:00:02"}
ASKED = ("reports", "boots", "machines", "observations", "findings", "timeline", "log_lines", "machine_mark", "frame")


def report(frames, token, name, report_id):
    hello = frames.hello(token, report_id)
    identity = hello.hello.identity
    identity.smbios_uuid, identity.serial, identity.model = f"4c4c4544-0042-4710-8052-{name[:6]:0<12}", name, name
    identity.macs[:] = [MACS[name]]
    log = pb.Frame(sequence=6, log=pb.LogChunk(path="X:\\a.log", data=(text := f"seen by {name}".encode())))
    log.log.expanded_bytes = log.log.file_bytes = len(text)
    told = [frames.address(1), frames.filtered(2), frames.event(3, name), frames.finding(4), frames.summary(5)]
    return [hello, *told, log]


def deliver(collector, sent):
    sender = collector.client().send(*sent).end()
    receipt = sender.stored_through(6)
    sender.refusal()
    return receipt.code


def rows(data):
    """Every row of every table that answers are made of."""
    with closing(sqlite3.connect(data / "collector.sqlite")) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        kept = [
            name
            for name in names
            if not name.startswith(("quarantine", "hidden", "audit", "refusal", "log_", "sqlite_", "pattern", "token"))
            # How often an hour changed, by which it is counted anew; no answer is made of that number.
            and name != "rate_hour"
        ]
        return {name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"'))) for name in kept}


@pytest.fixture(scope="module")
def scene(house):
    """A good machine and a bad one have reported, with tokens of their own."""
    from tests.collector.conftest import Client, Frames, run_cli

    frames, token = Frames(), run_cli("tokens", "new", "--name", "bad", data=house.data).stdout.decode().strip()

    class Both:
        client = staticmethod(lambda: Client(house.channel()))

    bad_id = os.urandom(16)
    deliver(Both, report(frames, house.token, GOOD, os.urandom(16)))
    before = rows(house.data)
    code = deliver(Both, report(frames, token, BAD, bad_id))
    return {"token": token, "id": bad_id, "code": code, "before": before, "after": rows(house.data)}


@pytest.fixture(scope="module")
def hidden(house, scene):
    done = quarantine(house, scene, "--since", "2h")
    assert b"1 reports of" in done.stdout, done.stderr
    return scene


def quarantine(house, scene, *told):
    from tests.collector.conftest import run_cli

    return run_cli("tokens", "quarantine", scene["token"].partition(".")[0], *told, data=house.data)


def test_what_is_hidden_is_as_if_it_had_never_come(house, hidden):
    assert rows(house.data) == hidden["before"]


def test_no_command_shows_it(house, hidden, cli):
    for command in ("machines", "deploying", "subnets", "images", "servers", "nics", "patterns", "silence"):
        done = cli(command, "--format", "json", data=house.data)
        assert done.returncode == 0, done.stderr
        assert BAD.encode() not in done.stdout, command
        assert hidden["id"].hex().encode() not in done.stdout, command
    assert cli("show", hidden["code"], data=house.data).returncode == 2
    assert BAD.encode() not in cli("export", data=house.data).stdout


def test_no_sql_reaches_it(house, hidden, cli):
    for table in ASKED:
        done = cli("sql", f"SELECT * FROM {table}", "--format", "json", data=house.data)
        assert done.returncode == 0, done.stderr
        assert BAD.encode() not in done.stdout, table
        assert MACS[BAD].encode() not in done.stdout, table
    for query in (
        "SELECT CAST(octets AS TEXT) FROM log_blob",
        "SELECT count(*) FROM log_blob",
        "SELECT rowid FROM log_blob",
    ):
        done = cli("sql", query, data=house.data)
        assert (done.returncode, done.stdout) == (2, b""), query
    for query in ("SELECT * FROM quarantined_report", "SELECT count(*) FROM quarantined_frame", "SELECT * FROM audit"):
        assert cli("sql", query, data=house.data).returncode == 2, query


def test_no_ops_answer_shows_it(house, hidden):
    from pe_collector.ops.routes import ROUTES

    admin = bearer((house.data / "admin.token").read_text().strip())
    for route in ROUTES:
        if route.methods == ("GET",) and "{" not in route.path and route.path not in ("/api/tokens", "/api/audit"):
            answer = ask(house.ops, "GET", route.path, **admin)
            assert BAD.encode() not in answer.body, route.path
            assert hidden["id"].hex().encode() not in answer.body, route.path


def test_its_token_is_refused_meanwhile_and_its_report_cannot_be_begun_by_another(ops, hidden, frames):
    status, message = ops.client().send(frames.hello(hidden["token"])).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert "quarantine" in message
    status, message = ops.client().send(frames.hello(ops.token, hidden["id"])).refusal()
    assert status is grpc.StatusCode.UNAUTHENTICATED
    assert "quarantine" in message


def test_the_machine_that_was_not_hidden_is_there(house, hidden, cli):
    assert GOOD.encode() in cli("machines", "--format", "json", data=house.data).stdout


def test_what_is_shown_again_is_whole(house, hidden):
    done = quarantine(house, hidden, "--undo")
    assert b"1 reports of" in done.stdout, done.stderr
    assert rows(house.data) == hidden["after"]


def test_who_hid_and_showed_it_is_written_down(house, hidden, cli):
    quarantine(house, hidden, "--undo")
    entries = json.loads(cli("audit", "list", "--format", "json", data=house.data).stdout)
    mine = [entry for entry in entries if entry["action"] == "tokens quarantine"]
    assert {entry["target"] for entry in mine} == {hidden["token"].partition(".")[0]}
    assert {entry["how"] for entry in mine} == {"cli"}
    assert {entry["detail"][:5] for entry in mine} == {"undo", "since"}


def test_a_token_that_is_not_there_or_not_hidden_is_said(data, cli):
    assert b"no token" in cli("tokens", "quarantine", "nobody", "--since", "2h", data=data).stderr
    assert b"not in quarantine" in cli("tokens", "quarantine", "nobody", "--undo", data=data).stderr
    assert cli("tokens", "quarantine", "nobody", data=data).returncode == 2
