"""A site moves to another engine: whole, also when it is killed on the way, and never over somebody else's rows."""

import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pe_agent.errors import UsageError
from pe_collector import quarantine, store
from pe_collector.simulated import filling
from pe_collector.store.moving import move
from pe_collector.store.where import SQLITE, VARIABLE, Place, parse_store

from tests.store.cluster import Cluster

NOW = 1_763_000_000.0


def migrate(source: str, target: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "pe_collector", "migrate", "--from", source, "--to", target]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    filling.fill(tmp_path, NOW, boots=120)
    with closing(store.open_writer(tmp_path / store.FILE_NAME)) as connection:
        connection.execute("INSERT INTO token (token_id, secret_hash, name, created, expires) VALUES ('t','','',0,0)")
        connection.execute("UPDATE report SET token_id='t' WHERE substr(report_id,32,1)<'8'")
        assert quarantine.hide(connection, "t", 0.0, NOW) > 0
    return tmp_path / store.FILE_NAME


def killed_after(table: str, source: str, target: str) -> None:
    """A move that is killed as soon as it has said that this table is whole."""
    with migrate(source, target) as begun:
        for line in begun.stdout:
            if line.startswith(f"{table} "):
                begun.send_signal(signal.SIGKILL)
                break
    assert begun.returncode == -signal.SIGKILL


def test_a_move_that_is_killed_goes_on_and_ends_whole(site, cluster: Cluster):
    source, target = f"sqlite:///{site}", cluster.new_database()
    place = parse_store(target)
    killed_after("frame", source, target)
    out, errors = (again := migrate(source, target)).communicate(timeout=120)
    assert again.returncode == 0, errors
    told = {m[1]: (int(m[2]), int(m[3])) for m in re.finditer(r"^(\w+) +(\d+) rows, +(\d+) copied", out, re.M)}
    # What came over before it was killed was not copied again.
    assert told["frame"][0] > told["frame"][1] == 0
    assert told["report"][1] == told["report"][0] > 0
    assert told["quarantined_frame"][0] > 0
    assert "rows are the same on both sides" in out
    (last,) = [row for row in move(Place(SQLITE, str(site)), place) if row.table == "report"]
    assert (last.rows, last.copied) == (told["report"][0], 0)


def test_a_move_back_gives_the_same_rows(site, cluster: Cluster, tmp_path):
    there = Place(SQLITE, str(site))
    away, back = parse_store(cluster.new_database()), Place(SQLITE, str(tmp_path / "back.sqlite"))
    first, second = [*move(there, away)], [*move(away, back)]
    assert [row.sha256 for row in first] == [row.sha256 for row in second]
    assert sum(row.rows for row in first) > 1000


def test_what_an_older_version_hid_moves_too(site, tmp_path):
    with closing(store.open_writer(site)) as connection:
        # Hidden before chunks of logs had an address.
        connection.execute("DROP INDEX quarantined_log_chunk_by_blob")
        connection.execute("ALTER TABLE quarantined_log_chunk DROP COLUMN blob")
        connection.execute(
            "INSERT INTO quarantined_log_chunk SELECT report_id, 900, 'X:\\a.log', 0, '', 3, 3, x'', x'616263' "
            "FROM hidden_report"
        )
        hidden = connection.execute("SELECT count(*) FROM quarantined_log_chunk").fetchone()[0]
    there = Place(SQLITE, str(tmp_path / "there.sqlite"))
    moved = {row.table: row.rows for row in move(Place(SQLITE, str(site)), there)}
    assert moved["quarantined_log_chunk"] == hidden > 0
    with closing(store.open_writer(Path(there.name))) as connection:
        assert quarantine.lift(connection, "t", NOW + 1) == moved["hidden_report"]
        assert connection.execute("SELECT count(*) FROM quarantined_log_chunk").fetchone()[0] == 0


def test_rows_of_somebody_else_are_not_written_over(site, cluster: Cluster, tmp_path, monkeypatch):
    target = cluster.new_database()
    monkeypatch.setenv(VARIABLE, target)
    (tmp_path / "other").mkdir()
    filling.fill(tmp_path / "other", NOW + 86400, boots=10)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(UsageError, match="move into an empty database"):
        list(move(Place(SQLITE, str(site)), parse_store(target)))


def test_what_is_no_collector_is_refused(tmp_path, cluster: Cluster):
    missing = Place(SQLITE, str(tmp_path / "missing.sqlite"))
    with pytest.raises(UsageError, match="no such database"):
        list(move(missing, parse_store(cluster.new_database())))
    with pytest.raises(UsageError, match="are the same"):
        list(move(missing, missing))


def test_a_file_of_something_else_is_refused_and_no_target_made(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        other.execute("CREATE TABLE song (title)")
    with pytest.raises(UsageError, match=r"other\.sqlite: not the database of a collector: no such table"):
        list(move(Place(SQLITE, str(tmp_path / "other.sqlite")), Place(SQLITE, str(tmp_path / "new.sqlite"))))
    assert not (tmp_path / "new.sqlite").exists()


def test_one_file_under_two_names_is_no_move(site):
    again = Place(SQLITE, f"{site.parent}/../{site.parent.name}/{site.name}")
    with pytest.raises(UsageError, match="source and target are the same"):
        list(move(Place(SQLITE, str(site)), again))


def test_the_password_is_not_said(site, cluster: Cluster):
    target = cluster.new_database().replace("pe@", "pe:secret@")
    out, _ = migrate(f"sqlite:///{site}", target).communicate(timeout=120)
    assert "Next: store = 'postgresql://pe@" in out
    assert "secret" not in out
