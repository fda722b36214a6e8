"""Are the numbers right? Each compared with one counted in another way from the tables."""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing

import pytest
from pe_collector import store
from pe_collector.questions.slow import percentile
from pe_collector.simulated.trimmings import SLOW_PREFIX, SLOW_WAIT_S
from pe_protos.v1 import report_pb2 as pb


@pytest.fixture(scope="module")
def reports(seeded):
    with closing(sqlite3.connect(seeded.data / store.FILE_NAME)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM report ORDER BY received_at")]


def newest_of_boots(reports):
    return {report["boot_key"]: report for report in reports}.values()


def test_subnets_count_boots_and_failures(seeded, reports):
    boots, failed = Counter(), Counter()
    for boot in newest_of_boots(reports):
        boots[boot["prefix"]] += 1
        failed[boot["prefix"]] += boot["outcome"] == "fault"
    rows = seeded.rows("subnets", since="3d")
    assert {row["prefix"]: row["boots"] for row in rows} == {p: n for p, n in boots.items() if p}
    assert {row["prefix"]: row["failed"] for row in rows} == {p: failed[p] for p in boots if p}
    for row in rows:
        assert row["low"] <= row["rate"] == row["failed"] / row["boots"] <= row["high"]


def test_the_slow_subnet_leads_with_its_plateau(seeded, reports):
    slow = seeded.rows("slow", since="3d")[0]
    assert (slow["prefix"], slow["p50_s"]) == (SLOW_PREFIX, SLOW_WAIT_S)
    assert slow["boots"] == slow["slow"] == sum(r["prefix"] == SLOW_PREFIX for r in newest_of_boots(reports))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 5), (0.9, 9), (0.99, 10), (0.01, 1)])
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(share, expected):
    assert percentile(range(1, 11), share) == expected


def test_probes_count_answers_but_not_what_was_skipped(seeded):
    with closing(sqlite3.connect(seeded.data / store.FILE_NAME)) as connection:
        expected = connection.execute(
            "SELECT count(*), sum(outcome='failed') FROM observation WHERE outcome NOT IN ('skipped','crashed')"
        ).fetchone()
    rows = seeded.rows("probes", since="3d")
    assert (sum(r["asked"] for r in rows), sum(r["failed"] for r in rows)) == expected


def test_delivery_counts_every_report_once_in_its_hour(seeded, reports):
    rows = seeded.rows("delivery", since="3d")
    assert sum(row["received"] for row in rows) == len(reports)
    assert sum(row["incomplete"] for row in rows) == sum(not r["complete"] for r in reports) > 0
    by_hour = Counter(int(r["received_at"] // 3600) * 3600 for r in reports)
    assert {row["hour_at"]: row["received"] for row in rows} == by_hour


@pytest.fixture
def known(seeded, reports):
    """A machine and all its marks, as the firmware told them."""
    report = reports[0]
    with closing(sqlite3.connect(seeded.data / store.FILE_NAME)) as connection:
        (octets,) = connection.execute(
            "SELECT octets FROM frame WHERE report_id=? AND sequence=0", (report["report_id"],)
        ).fetchone()
    return report, pb.Frame.FromString(octets).hello.identity


def test_a_machine_is_found_by_each_of_its_names(seeded, known):
    report, marks = known
    mac = marks.macs[0]
    for name in (
        marks.serial,
        marks.serial.lower(),
        marks.smbios_uuid,
        marks.smbios_uuid.upper()[:13],
        marks.computer_name,
        marks.computer_name.lower(),
        mac,
        mac.replace(":", "-").upper(),
        report["machine_id"],
        report["code"],
        report["report_id"],
    ):
        assert [row["machine_id"] for row in seeded.rows("machines", search=name)] == [report["machine_id"]], name


def test_a_machine_is_found_by_an_address_it_had(seeded, known):
    report, _ = known
    found = {row["machine_id"] for row in seeded.rows("machines", search=report["address"])}
    assert report["machine_id"] in found
    assert seeded.rows("machines", search="192.0.2.77") == []


@pytest.mark.parametrize("text", ["%", "_", "' OR 1=1 --", '"', "DEMO%", "*", "\\", "\x00"])
def test_nothing_in_a_search_is_a_wildcard(seeded, text):
    assert seeded.rows("machines", search=text) == []


def test_the_boots_of_a_machine_are_all_of_its_boots(seeded, reports):
    of_machine = defaultdict(set)
    for report in reports:
        of_machine[report["machine_id"]].add(report["boot_key"])
    machine_id = max(of_machine, key=lambda m: len(of_machine[m]))
    rows = seeded.rows("machine", machine=machine_id)
    assert len(rows) == len(of_machine[machine_id]) > 2
    assert [row["received_at"] for row in rows] == sorted((row["received_at"] for row in rows), reverse=True)


def test_the_timeline_is_in_order_and_has_every_side(seeded, words):
    rows = seeded.rows("timeline", **words["timeline"])
    times = [row["at_s"] for row in rows if row["at_s"] is not None]
    assert times == sorted(times)
    assert {"watched", "probe", "dhcp-syslog", "wds-events-rows", "verdict"} <= {row["source"] for row in rows}
    assert ("probe", "wds-rpc", "failed", "filtered") in {
        (row["source"], row["what"], row["outcome"], row["detail"]) for row in rows
    }


def test_a_report_named_by_id_is_that_report_not_the_machine_s_newest(seeded, reports):
    counts = Counter(r["machine_id"] for r in reports)
    older = next(r for r in reports if counts[r["machine_id"]] > 1 and r["outcome"] == "healthy")
    verdict = seeded.rows("timeline", boot=older["report_id"])[-1]
    assert abs(verdict["at"] - older["booted_at"]) < 3600


def test_switches_are_those_that_the_machines_heard_of(seeded):
    with closing(sqlite3.connect(seeded.data / store.FILE_NAME)) as connection:
        rows = connection.execute("SELECT report_id, facts FROM observation WHERE probe='switch-port'").fetchall()
    heard = {(json.loads(facts)["switch"], json.loads(facts)["switch_port"]) for _, facts in rows}
    assert {(row["switch"], row["switch_port"]) for row in seeded.rows("switches", since="3d")} == heard
