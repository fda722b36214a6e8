"""A hub that is away for too long costs logs first, then answers, then whole reports; what went is counted and said."""

from contextlib import closing

import pytest
from pe_collector import store
from pe_collector.fleet import simulate_fleet
from pe_collector.leaf.outbox import Noted, backlog, due, noting, parcels_of
from pe_collector.leaf.shedding import ANSWERS, LOG, REPORT, losses, shed_some, waiting_octets
from pe_collector.limits import Limits, read_hello, read_record
from pe_collector.reports import logs_of, report_document
from pe_collector.simulated import filling
from pe_collector.store import waiting
from pe_collector.store.frames import store_frames
from pe_protos.v1 import report_pb2 as pb

NOW = 1_763_000_000.0
BOOTS = 150


@pytest.fixture
def outbox(tmp_path):
    filling.fill(tmp_path, NOW, boots=BOOTS)
    with closing(store.open_writer(tmp_path / store.FILE_NAME)) as connection:
        pass_on(connection)
        yield connection


def pass_on(connection):
    """As a leaf begins."""
    assert not waiting.begin(connection)
    while report_ids := waiting.missing(connection, "", 40):
        waiting.add(connection, report_ids)
    waiting.filled(connection)


def only_verdicts(connection):
    while connection.execute("SELECT 1 FROM observation").fetchone():
        assert shed_some(connection, 0, NOW).what in (LOG, ANSWERS)


def rest(connection):
    return due(connection, 1000)


def test_nothing_goes_within_the_budget(outbox):
    assert shed_some(outbox, waiting_octets(outbox), NOW).times == 0
    assert {what: shed.times for what, shed in losses(outbox).items()} == {LOG: 0, ANSWERS: 0, REPORT: 0}


def test_logs_go_first_then_answers_then_reports(outbox):
    kinds = []
    while waiting_octets(outbox):
        shed = shed_some(outbox, 0, NOW)
        kinds += [shed.what] if shed.what not in kinds[-1:] else []
    assert kinds == [LOG, ANSWERS, REPORT]
    gone = losses(outbox)
    assert (gone[REPORT].times, gone[ANSWERS].times) == (BOOTS, BOOTS)
    assert gone[LOG].times > 0
    assert gone[LOG].octets > 0
    assert backlog(outbox).reports == 0


def test_what_is_left_still_says_the_verdict_and_names_the_log(outbox):
    before = {report.report_id: report_document(outbox, report.report_id) for report in rest(outbox)}
    only_verdicts(outbox)
    for report_id, was in before.items():
        now = report_document(outbox, report_id)
        assert (now["verdict"], now["findings"], now["complete"]) == (was["verdict"], was["findings"], was["complete"])
        assert [log["path"] for log in now["logs"]] == [log["path"] for log in was["logs"]]
        assert (now["observations"], now["timeline"]) == ([], [])
        assert all("left out" in problem for log in logs_of(outbox, report_id) for problem in log.problems)


def test_what_is_left_of_a_report_is_taken_by_a_hub_and_has_no_gap(outbox, tmp_path):
    only_verdicts(outbox)
    (tmp_path / "hub").mkdir()
    with closing(store.open_writer(store.create(tmp_path / "hub"))) as hub:
        for report in rest(outbox):
            for parcel, _ in parcels_of(outbox, report):
                hello, *frames = parcel.frames
                arrived = store.Arrived(read_hello(hello, Limits()), parcel.peer, "", parcel.received_at)
                store.open_report(hub, arrived)
                filed = [store.file_frame(report.report_id, read_record(f, Limits()), f) for f in frames]
                store_frames(hub, filed, NOW)
        asked = "SELECT report_id, complete, stored_through, verdict FROM report ORDER BY report_id"
        assert [tuple(row) for row in hub.execute(asked)] == [tuple(row) for row in outbox.execute(asked)]


def test_what_the_hub_has_never_goes(outbox):
    reports = rest(outbox)
    noting([Noted(report.report_id, report.stored_through) for report in reports[:30]], NOW)(outbox)
    while shed_some(outbox, 0, NOW).times:
        pass
    assert losses(outbox)[REPORT].times == BOOTS - 30
    assert outbox.execute("SELECT count(*) FROM report").fetchone()[0] == 30


def test_the_oldest_go_first(outbox):
    in_order = [report.report_id for report in rest(outbox)]
    while shed_some(outbox, 0, NOW).what != REPORT:
        pass
    left = {report.report_id for report in rest(outbox)}
    assert [report_id in left for report_id in in_order] == [False] * 50 + [True] * (BOOTS - 50)


def test_a_boot_of_which_the_newest_report_went_is_spoken_for_by_the_one_that_stays(tmp_path):
    with closing(store.open_writer(store.create(tmp_path))) as connection:
        waiting.begin(connection)
        # The hub has the second: only the first can go.
        for number, at_s in ((2, NOW), (1, NOW + 5)):
            hello = pb.Hello(protocol=1, report_id=number.to_bytes(16, "big"), identity=pb.Identity(serial="S"))
            hello.boot.boot_id = "same"
            store.open_report(connection, store.Arrived(hello, "here", "", at_s))
        noting([Noted((2).to_bytes(16, "big").hex(), 0)], NOW)(connection)
        assert shed_some(connection, 0, NOW).what == REPORT
        assert [row[0] for row in connection.execute("SELECT reports FROM boots")] == [1]


def test_a_large_report_goes_in_several_parcels_and_whole(tmp_path):
    (report,) = simulate_fleet(3, 1, 1, NOW)
    with closing(store.open_writer(store.create(tmp_path))) as connection:
        waiting.begin(connection)
        arrived = store.Arrived(report.hello, "here", "", NOW)
        store.open_report(connection, arrived)
        frames = [
            pb.Frame(sequence=n, log=pb.LogChunk(path="a.log", data=bytes(300_000), expanded_bytes=300_000))
            for n in range(1, 11)
        ]
        filed = [store.file_frame(arrived.report_id, f, f.SerializeToString()) for f in frames]
        store_frames(connection, filed, NOW)
        parcels = list(parcels_of(connection, rest(connection)[0]))
    assert len(parcels) > 3
    assert [last for _, last in parcels] == sorted({last for _, last in parcels})
    sizes = [len(pb.Frame.FromString(octets).log.data) for parcel, _ in parcels for octets in parcel.frames[1:]]
    assert sizes == [300_000] * 10
    assert all(pb.Frame.FromString(parcel.frames[0]).HasField("hello") for parcel, _ in parcels)
