"""A simulated fleet into the store as if its reports had come in one by one over a day."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pe_agent import wire
from pe_protos.v1 import report_pb2 as pb

from pe_collector import sites, store
from pe_collector.connection import Connection
from pe_collector.findings import add_change
from pe_collector.findings.changes import Change
from pe_collector.fleet import FAULT_PREFIX, simulate_fleet
from pe_collector.questions.log_lines import catch_up
from pe_collector.server_side import store_events
from pe_collector.simulated.servers import server_events
from pe_collector.simulated.trimmings import hasten, trim
from pe_collector.store.addresses import key_range
from pe_collector.store.frames import store_frames

SEED, MACHINES, BOOTS = 11, 300, 900
# So many boots began just now.
UNDER_WAY = 4
SITES = tuple(
    sites.SitePrefix(key_range(prefix), site, vlan, owner)
    for prefix, site, vlan, owner in (
        ("10.10.0.0/16", "Berlin", "", "network@berlin.example"),
        ("10.10.16.0/20", "Berlin Labs", "116", "labs@berlin.example"),
        ("10.20.0.0/16", "Hamburg", "20", "network@hamburg.example"),
        ("10.30.0.0/16", "Koeln", "30", "network@koeln.example"),
    )
)
# Seconds before now, what, where.
CHANGES = (
    (6.2 * 3600.0, "new firewall rules for the labs", FAULT_PREFIX, ""),
    (20 * 3600.0, "monthly updates installed", "", "WDS02"),
)
# A report comes in one record after the other; the first some seconds after the machine started.
_BEGIN_S = 9.0


def fill(folder: Path, now_s: float, boots: int = BOOTS) -> int:
    """Fill the collector in `folder` with the day before `now_s` (Unix seconds); how many reports.

    Raises:
        StoreError: the database does not take it.
    """
    simulated = list(simulate_fleet(SEED, MACHINES, boots, now_s))
    hasten(simulated[-UNDER_WAY:], now_s)
    reports = [trim(report, now_s) for report in simulated]
    with closing(store.open_writer(store.create(folder))) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _store_reports(connection, reports)
        connection.execute("COMMIT")
        store_events(connection, server_events(reports, now_s))
        sites.store_sites(connection, SITES)
        store_logs = catch_up(connection, now_s + 3600.0, spend_s=60.0)
        connection.execute("BEGIN IMMEDIATE")
        store_logs(connection)
        for age_s, text, subnet, server in CHANGES:
            add_change(connection, Change(now_s - age_s, text, subnet, server, "simulated"), now_s)
        connection.execute("COMMIT")
    return len(reports)


def _store_reports(connection: Connection, reports: Iterable[pb.Report]) -> None:
    for report in reports:
        opening, *records = wire.report_to_frames(report)
        began_s = report.hello.boot.began.wall_ms / 1000
        opening.hello.clock.CopyFrom(report.hello.boot.began)
        arrived = store.Arrived(opening.hello, "simulated", "", began_s)
        store.open_report(connection, arrived)
        filed = [store.file_frame(arrived.report_id, frame, frame.SerializeToString()) for frame in records]
        lasted_s = max(0.0, report.hello.clock.uptime_s - _BEGIN_S)
        store_frames(connection, filed, began_s + lasted_s)
