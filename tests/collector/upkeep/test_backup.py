"""Is a backup whole although reports come in, and does a collector come back from it?"""

import sqlite3
import subprocess
import threading
from contextlib import closing

import pytest
from pe_agent.errors import UsageError
from pe_collector import store
from pe_collector.upkeep import backup, dated
from pe_protos.v1 import report_pb2 as pb

NOW_S = 2e9


def fill(writer, number):
    hello = pb.Hello(protocol=1, report_id=number.to_bytes(16, "big"))
    arrived = store.Arrived(hello, "test", "", 1000.0)
    writer.run(lambda connection: store.open_report(connection, arrived)).result(60)


@pytest.fixture
def filled(data):
    writer = store.Writer(data / store.FILE_NAME, lambda: 1000.0)
    for number in range(1, 21):
        fill(writer, number)
    writer.close()
    return data


def count(path):
    with closing(store.open_reader(path / store.FILE_NAME)) as connection:
        return connection.execute("SELECT count(*) FROM report").fetchone()[0]


def test_a_backup_made_while_reports_come_in_is_whole(filled, tmp_path):
    writer, stop = store.Writer(filled / store.FILE_NAME, lambda: 1000.0), threading.Event()
    taken = []

    def keep_filling():
        while not stop.is_set():
            fill(writer, 1000 + len(taken))
            taken.append(1)

    thread = threading.Thread(target=keep_filling)
    thread.start()
    try:
        before = len(taken)
        made = [backup.backup(filled, tmp_path / f"b{n}", NOW_S, with_keys=False) for n in range(3)]
    finally:
        stop.set()
        thread.join()
        writer.close()
    assert len(taken) > before
    for copied in made:
        assert copied.reports == count(copied.path) >= 20
        backup.verify(copied.path)
    assert count(filled) == 20 + len(taken)


def test_sha256sum_agrees(filled, tmp_path):
    made = backup.backup(filled, tmp_path / "b", NOW_S, with_keys=True)
    done = subprocess.run(["sha256sum", "-c", backup.SUMS], cwd=made.path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert b"ca.key: OK" in done.stdout


def test_keys_go_along_only_when_asked(filled, tmp_path):
    without = backup.backup(filled, tmp_path / "a", NOW_S, with_keys=False)
    assert {path.name for path in without.path.iterdir()} == {store.FILE_NAME, backup.SUMS}
    assert (without.path / store.FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_collector_comes_back_with_its_keys(filled, tmp_path):
    backup.backup(filled, tmp_path / "b", NOW_S, with_keys=True)
    back = backup.restore(tmp_path / "b", tmp_path / "new", NOW_S, replace=False)
    assert (back.reports, count(tmp_path / "new")) == (20, 20)
    for name in ("ca.pem", "ca.key", "server.pem", "server.key"):
        assert (tmp_path / "new" / name).read_bytes() == (filled / name).read_bytes()


@pytest.mark.parametrize("name", [store.FILE_NAME, "ca.pem"])
def test_a_backup_that_was_changed_is_refused(filled, tmp_path, name):
    backup.backup(filled, tmp_path / "b", NOW_S, with_keys=True)
    octets = bytearray((tmp_path / "b" / name).read_bytes())
    octets[len(octets) // 2] ^= 1
    (tmp_path / "b" / name).write_bytes(octets)
    with pytest.raises(UsageError, match="SHA-256 differs"):
        backup.restore(tmp_path / "b", tmp_path / "new", NOW_S, replace=False)
    assert not (tmp_path / "new").exists()


def test_sums_cannot_name_a_file_elsewhere(filled, tmp_path):
    made = backup.backup(filled, tmp_path / "b", NOW_S, with_keys=False)
    (tmp_path / "evil").write_bytes(b"x")
    with (made.path / backup.SUMS).open("a") as file:
        file.write(f"{backup.sha256_of(tmp_path / 'evil')}  ../evil\n")
    with pytest.raises(UsageError, match="does not list"):
        backup.verify(made.path)


def test_damage_that_the_sums_do_not_show_is_found(filled, tmp_path):
    made = backup.backup(filled, tmp_path / "b", NOW_S, with_keys=False)
    database = made.path / store.FILE_NAME
    octets = bytearray(database.read_bytes())
    octets[8192:12288] = b"\xff" * 4096
    database.write_bytes(octets)
    (made.path / backup.SUMS).write_text(f"{backup.sha256_of(database)}  {store.FILE_NAME}\n")
    with pytest.raises(UsageError, match=r"damaged|malformed"):
        backup.verify(made.path)


def test_a_running_collector_is_not_replaced(filled, tmp_path):
    backup.backup(filled, tmp_path / "b", NOW_S, with_keys=False)
    writer = store.Writer(filled / store.FILE_NAME, lambda: 1000.0)
    try:
        fill(writer, 99)
        with pytest.raises(UsageError, match="stop the collector"):
            backup.restore(tmp_path / "b", filled, NOW_S, replace=True)
        fill(writer, 100)
    finally:
        writer.close()
    assert count(filled) == 22


def test_what_is_replaced_is_kept_beside(filled, tmp_path):
    backup.backup(filled, tmp_path / "b", NOW_S, with_keys=False)
    with closing(sqlite3.connect(filled / store.FILE_NAME)) as connection:
        connection.execute("DELETE FROM report")
        connection.commit()
    with pytest.raises(UsageError, match="--replace"):
        backup.restore(tmp_path / "b", filled, NOW_S, replace=False)
    backup.restore(tmp_path / "b", filled, NOW_S, replace=True)
    assert count(filled) == 20
    with closing(sqlite3.connect(filled / f"{store.FILE_NAME}.before-2000000000")) as connection:
        assert connection.execute("SELECT count(*) FROM report").fetchone()[0] == 0


def test_a_backup_does_not_overwrite(filled, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("x")
    with pytest.raises(UsageError, match="there already"):
        backup.backup(filled, tmp_path / "b", NOW_S, with_keys=False)


def test_of_dated_backups_the_newest_stay(filled, tmp_path, cli):
    for day in range(4):
        now_s = NOW_S + day * 86400
        backup.backup(filled, dated.dated(tmp_path / "all", now_s), now_s, with_keys=False)
    (tmp_path / "all" / "mine").mkdir()
    gone = dated.keep_newest(tmp_path / "all", 2)
    there = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert len(gone) == 2
    assert there == ["mine", "pe-collector-20330520T033320Z", "pe-collector-20330521T033320Z"]


def test_the_commands_do_the_whole_round(filled, tmp_path, cli):
    assert cli("backup", str(tmp_path / "b"), "--with-keys", data=filled).returncode == 0
    done = cli("restore", str(tmp_path / "b"), data=tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert count(tmp_path / "new") == 20
