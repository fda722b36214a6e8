"""Are Error and Warning lines found, those of later logs too, and nothing else?"""

import time
from contextlib import closing

import pytest
from pe_agent.errors import UsageError
from pe_collector import store
from pe_collector.questions.log_lines import MANY, MOST_LINES, QUIET_S, catch_up, full_text
from pe_collector.questions.log_reading import LogReading
from pe_collector.store.frames import store_frames
from pe_protos.v1 import report_pb2 as pb

from tests.collector.questions.conftest import Fleet

PATH = "X:\\Windows\\Panther\\setupact.log"


def log(text):
    octets = text.encode()
    return pb.LogChunk(path=PATH, data=octets, expanded_bytes=len(octets), file_bytes=len(octets))


class Store:
    """A collector into which logs are put, one report each."""

    def __init__(self, folder):
        self.fleet = Fleet(folder, time.time())
        self.path = store.create(folder)

    def put(self, number, text, *, complete=True, ago_s=0.0):
        report_id = bytes(15) + bytes([number])
        arrived = store.Arrived(pb.Hello(protocol=1, report_id=report_id), "test", "", self.fleet.now_s - ago_s)
        frames = [pb.Frame(sequence=1, log=log(text))]
        if complete:
            frames.append(pb.Frame(sequence=2, summary=pb.Summary(status="fault")))
        filed = [store.file_frame(arrived.report_id, f, f.SerializeToString()) for f in frames]
        with closing(store.open_writer(self.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            store.open_report(connection, arrived)
            store_frames(connection, filed, self.fleet.now_s)
            connection.execute("COMMIT")

    def catch_up(self, later_s=0.0):
        with closing(store.open_reader(self.path)) as reader, closing(store.open_writer(self.path)) as writer:
            step = catch_up(reader, self.fleet.now_s + later_s, spend_s=60.0)
            writer.execute("BEGIN IMMEDIATE")
            waiting = step(writer)
            writer.execute("COMMIT")
        return waiting

    def found(self, words):
        return [(row["line"], row["level"]) for row in self.fleet.rows("logs", words=words)]


@pytest.fixture
def logs(tmp_path):
    return Store(tmp_path)


THREE = (
    "2026-11-22 10:00:00, Info   SP  needle in passing\r\n"
    "2026-11-22 10:00:01, Warning SP needle bent\r\n"
    "2026-11-22 10:00:02, Error  SP  needle broke 0x800706BA\r\n"
)


def test_error_and_warning_lines_are_found_and_others_are_not(logs):
    logs.put(1, THREE)
    assert logs.catch_up() == 0
    assert logs.found("needle") == [(2, "Warning"), (3, "Error")]
    assert logs.found("0x800706ba broke") == [(3, "Error")]
    assert logs.found('"needle broke"') == [(3, "Error")]
    assert logs.found('"broke needle"') == []
    assert logs.found("need*") == [(2, "Warning"), (3, "Error")]
    assert logs.found("passing") == []


def test_what_comes_later_is_found_later(logs):
    logs.put(1, THREE)
    logs.catch_up()
    logs.put(2, THREE.replace("needle", "thread"))
    assert logs.found("thread") == []
    logs.catch_up()
    assert len(logs.found("thread")) == 2
    assert len(logs.found("needle")) == 2


def test_a_report_under_way_is_read_once_it_is_quiet(logs):
    logs.put(1, THREE, complete=False)
    assert logs.catch_up() == 1
    assert logs.found("needle") == []
    assert logs.catch_up(QUIET_S + 1) == 0
    assert len(logs.found("needle")) == 2


def test_a_collector_that_serves_makes_logs_searchable_by_itself(logs):
    logs.put(1, THREE)
    with closing(store.Writer(logs.path)) as writer, closing(LogReading(logs.path, writer, every_s=0.05)):
        until = time.monotonic() + 60
        while len(logs.found("needle")) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_doing_it_again_changes_nothing(logs):
    logs.put(1, THREE)
    logs.catch_up()
    logs.catch_up()
    assert len(logs.found("needle")) == 2


def test_of_a_log_that_is_nothing_but_errors_only_so_many_lines_are_kept(logs):
    logs.put(1, "2026-11-22 10:00:02, Error  SP  needle\r\n" * (MOST_LINES + 50))
    logs.catch_up()
    assert len(logs.found("needle")) == MOST_LINES


@pytest.mark.parametrize("words", ["", " ", '"', "***", "-- !"])
def test_a_search_without_a_word_is_refused(words):
    with pytest.raises(UsageError, match="a word to look for"):
        full_text(words)


def test_of_very_many_lines_the_newest_reports_come_first(logs):
    """However they are looked up, and only as far as they are shown."""
    reports = MANY // MOST_LINES + 2
    for number in range(reports):
        # Every other one came late.
        text = "2026-11-22 10:00:00, Error   SP   often" + (" seldom" if number == 3 else "") + "\n"
        logs.put(number, text * MOST_LINES, ago_s=60.0 * (number if number % 2 else reports - number))
    assert logs.catch_up(QUIET_S * 2 * reports) == 0
    rows = logs.fleet.rows("logs", words="often", limit=100_000)
    assert len(rows) == reports * MOST_LINES > MANY
    assert rows == sorted(rows, key=lambda row: (-row["received_at"], row["report_id"], row["path"], row["line"]))
    assert logs.fleet.rows("logs", words="often", limit=700) == rows[:700]
    assert logs.fleet.rows("logs", words="often seldom", limit=700) == [r for r in rows if "seldom" in r["text"]]
    later = rows[5 * MOST_LINES]["received_at"] + 1.0
    assert logs.fleet.rows("logs", words="often", since=later) == rows[: 5 * MOST_LINES][:1000]
