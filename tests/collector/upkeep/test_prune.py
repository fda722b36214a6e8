"""Does only what is old go, failures last, and can a report whose logs went still be shown and exported?"""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from pe_agent.errors import UsageError
from pe_collector import exporter, quarantine, reports, store
from pe_collector.leaf.outbox import Noted, noting
from pe_collector.store import waiting
from pe_collector.tokens import new_token
from pe_collector.upkeep.prune import Keep, prune
from pe_protos.v1 import report_pb2 as pb

DAY_S = 86400.0
NOW_S = 2e9
KEEP = Keep(failures_s=365 * DAY_S, successes_s=90 * DAY_S, failure_logs_s=30 * DAY_S, success_logs_s=30 * DAY_S)
ALL_LOGS = replace(KEEP, failure_logs_s=0.5 * DAY_S, success_logs_s=0.5 * DAY_S)
LOG = b"2026-11-01 Info a line of the log\n" * 1000


def report_id(number):
    return number.to_bytes(16, "big")


def fill(writer, number, age_days, status, serial=""):
    identity = pb.Identity(serial=serial or f"S{number}", smbios_uuid=f"u{serial or number}")
    hello = pb.Hello(protocol=1, report_id=report_id(number), identity=identity)
    arrived = store.Arrived(hello, "test", "", NOW_S - age_days * DAY_S)
    frames = [
        pb.Frame(sequence=1, observation=pb.Observation(probe="address", outcome="ok", reason="answered")),
        pb.Frame(sequence=2, log=pb.LogChunk(path="setupact.log", data=LOG, expanded_bytes=len(LOG))),
        pb.Frame(sequence=3, summary=pb.Summary(status=status)),
    ]
    writer.run(lambda connection: store.open_report(connection, arrived)).result(60)
    name = report_id(number).hex()
    writer.put(*(store.file_frame(name, frame, frame.SerializeToString()) for frame in frames)).result(60)


@pytest.fixture
def filled(tmp_path):
    """Healthy reports 1 to 4 and failed 11 to 14, of 1, 60, 200 and 500 days."""
    writer = store.Writer(store.create(tmp_path), lambda: NOW_S)
    for place, age_days in enumerate((1, 60, 200, 500), start=1):
        fill(writer, place, age_days, "healthy")
        fill(writer, 10 + place, age_days, "fault")
    writer.close()
    return tmp_path


def asked(folder, question):
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        return [tuple(row) for row in connection.execute(question)]


def pruned(folder, keep=KEEP):
    return prune(folder, keep, NOW_S, pause=lambda _: None)


def test_failures_stay_longer_than_successes(filled):
    done = pruned(filled)
    left = {int(name, 16) for (name,) in asked(filled, "SELECT report_id FROM report")}
    assert left == {1, 2, 11, 12, 13}
    assert (done.failures, done.successes, done.machines) == (1, 2, 3)


def test_nothing_of_a_report_that_went_stays(filled):
    pruned(filled)
    tables = ["frame", "observation", "log_chunk", "log_line", "log_waiting"]
    for table in tables:
        there = f"SELECT count(*) FROM {table} WHERE report_id NOT IN (SELECT report_id FROM report)"
        assert asked(filled, there) == [(0,)], table
    assert asked(filled, "SELECT count(*) FROM machine") == [(5,)]


def test_logs_go_first_and_stay_named(filled):
    done = pruned(filled)
    assert (done.logs, done.log_octets) == (3, 3 * len(LOG))
    with closing(store.open_reader(filled / store.FILE_NAME)) as connection:
        log = reports.log_of(connection, report_id(12).hex(), "setupact.log")
        fresh = reports.log_of(connection, report_id(11).hex(), "setupact.log")
    assert (log.octets, fresh.octets) == (b"", LOG)
    assert "pruned" in log.problems[0]


def blobs(folder):
    return [octets for (octets,) in asked(folder, "SELECT octets FROM log_blob")]


def test_a_log_that_several_reports_brought_is_kept_once_and_goes_with_the_last(filled):
    assert blobs(filled) == [LOG]
    pruned(filled)
    assert blobs(filled) == [LOG]
    pruned(filled, ALL_LOGS)
    assert blobs(filled) == []


def test_a_log_of_a_report_in_quarantine_outlives_the_report_that_shares_it(filled):
    quarantined = report_id(11).hex()
    with closing(store.open_writer(filled / store.FILE_NAME)) as connection:
        connection.execute("UPDATE report SET token_id='bad' WHERE report_id=?", (quarantined,))
        new_token(connection, "t", NOW_S)
        connection.execute("UPDATE token SET token_id='bad'")
        quarantine.hide(connection, "bad", 0.0, NOW_S)
        pruned(filled, ALL_LOGS)
        assert blobs(filled) == [LOG]
        quarantine.lift(connection, "bad", NOW_S)
        assert reports.log_of(connection, quarantined, "setupact.log").octets == LOG


def test_a_report_whose_logs_went_is_still_exported_whole(filled):
    pruned(filled)
    with closing(store.open_reader(filled / store.FILE_NAME)) as connection:
        frames = list(exporter.frames_of(connection, report_id(12).hex()))
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3]
    assert (frames[2].log.path, frames[2].log.data, frames[2].log.codec) == ("setupact.log", b"", "left-out")


def test_a_second_run_finds_nothing(filled):
    pruned(filled)
    again = pruned(filled)
    assert (again.failures, again.successes, again.logs, again.machines) == (0, 0, 0, 0)


def test_what_went_makes_room_for_what_comes(filled):
    assert pruned(filled, Keep(0, 0, 0, 0)).free_octets > 0
    with closing(sqlite3.connect(filled / store.FILE_NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.execute("INSERT INTO log_search (log_search) VALUES ('integrity-check')")


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (Keep(2, 3, 1, 1), "--keep-failures is shorter than --keep-successes"),
        (Keep(4, 3, 1, 2), "--keep-failure-logs is shorter than --keep-success-logs"),
        (Keep(4, 3, 5, 1), "--keep-failures is shorter than --keep-failure-logs"),
        (Keep(9, 3, 5, 4), "--keep-successes is shorter than --keep-success-logs"),
    ],
)
def test_failures_must_not_go_before_successes_nor_reports_before_their_logs(filled, keep, said):
    with pytest.raises(UsageError, match=said):
        pruned(filled, keep)


def log_octets(folder, number):
    with closing(store.open_reader(folder / store.FILE_NAME)) as connection:
        return reports.log_of(connection, report_id(number).hex(), "setupact.log").octets


def test_logs_of_failures_outlast_those_of_successes_also_one_that_both_brought(filled):
    done = pruned(filled, replace(KEEP, failure_logs_s=90 * DAY_S, success_logs_s=7 * DAY_S))
    assert (log_octets(filled, 1), log_octets(filled, 2)) == (LOG, b"")
    assert (log_octets(filled, 12), log_octets(filled, 13)) == (LOG, b"")
    assert done.logs == 2
    pruned(filled, ALL_LOGS)
    assert blobs(filled) == []


def test_what_the_hub_lacks_stays_whole_whatever_its_age(filled):
    waits = report_id(4).hex()
    with closing(store.open_writer(filled / store.FILE_NAME)) as connection:
        waiting.begin(connection)
        waiting.add(connection, [waits])
        pruned(filled)
        assert log_octets(filled, 4) == LOG
        noting([Noted(waits, 3)], NOW_S)(connection)
    assert pruned(filled).successes == 1


def test_reports_come_in_between_two_batches(tmp_path):
    writer = store.Writer(store.create(tmp_path), lambda: NOW_S)
    for number in range(1, 161):
        fill(writer, number, 100, "healthy")
    pauses = []

    def pause(_):
        # Another thread's writer gets the lock here, or this never comes back.
        fill(writer, 1000 + len(pauses), 1, "healthy")
        pauses.append(threading.get_ident())

    done = prune(tmp_path, KEEP, NOW_S, pause=pause)
    writer.close()
    assert done.successes == 160
    assert len(pauses) >= 4
    assert asked(tmp_path, "SELECT count(*) FROM report") == [(len(pauses),)]


def test_a_boot_whose_newest_report_went_is_spoken_for_by_the_one_that_stays(tmp_path):
    writer = store.Writer(store.create(tmp_path), lambda: NOW_S)
    for number, status in ((1, "fault"), (2, "healthy")):
        fill(writer, number, 100, status, serial="same")
    writer.close()
    pruned(tmp_path)
    assert asked(tmp_path, "SELECT outcome, reports FROM boots") == [("fault", 1)]


def test_what_was_done_is_written_down(filled):
    pruned(filled)
    (row,) = asked(filled, "SELECT action, detail FROM audit")
    assert row == ("prune", '{"failures": 1, "successes": 2, "logs": 3}')
