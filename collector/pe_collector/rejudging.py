"""What would signatures make of stored reports, beside the verdicts they came with? Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pe_agent import wire
from pe_agent.boot_order import Clocks
from pe_agent.judge import judge
from pe_agent.scan import LogHit, scan_log
from pe_agent.signatures import SignatureSet

from pe_collector.connection import Connection
from pe_collector.exporter import frames_of
from pe_collector.reports import Log, logs_of


def compare(connection: Connection, signatures: SignatureSet, since_s: float, most: int) -> Iterator[dict[str, Any]]:
    """The newest complete reports received since then (Unix seconds), at most so many: verdict before and after.

    `change` is `same`, `changed`, or `not judged` where a log of the report is damaged, left out or pruned: what it
    said cannot be asked again.
    """
    rows = connection.execute(
        "SELECT report_id, code, received_at, outcome, verdict FROM report WHERE received_at>=? AND complete=1 "
        "ORDER BY received_at DESC, report_id DESC LIMIT ?",
        (since_s, most),
    ).fetchall()
    for row in rows:
        before = {"code": row["code"], "received_at": row["received_at"]}
        before |= {"outcome": row["outcome"], "verdict": row["verdict"]}
        yield before | _after(connection, signatures, row["report_id"], (row["outcome"], row["verdict"]))


def _after(connection: Connection, signatures: SignatureSet, report_id: str, said: tuple[str, str]) -> dict[str, Any]:
    logs = logs_of(connection, report_id)
    if any(log.problems or log.intact is False for log in logs):
        return {"outcome_now": "", "verdict_now": "", "change": "not judged", "report_id": report_id}
    report = wire.decode_report(wire.frames_to_report(frames_of(connection, report_id)))
    # The clocks of the moment of judging are not in a report: those of its beginning stand for both.
    began = report.opening.boot.began
    judged = judge(report.observations, report.timeline, _hits(logs, signatures), signatures, Clocks(began, began))
    now = (str(judged.verdict.status), judged.verdict.finding_id)
    change = "same" if now == said else "changed"
    return {"outcome_now": now[0], "verdict_now": now[1], "change": change, "report_id": report_id}


def _hits(logs: list[Log], signatures: SignatureSet) -> Iterator[LogHit]:
    for log in logs:
        yield from scan_log(log.path, (log.octets,), signatures)
