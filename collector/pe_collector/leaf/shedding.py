"""What goes when the hub is away for longer than the budget lasts? Logs first, then answers, whole reports last.

What goes is counted, and what stays says that something is missing: a log that was let go stays named.
"""

from __future__ import annotations

from dataclasses import dataclass

from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection
from pe_collector.store.blobs import drop_if_unheld
from pe_collector.store.derived import boots_of, choose_speakers
from pe_collector.store.rates import mark_reports
from pe_collector.store.waiting import measure
from pe_collector.stream import LEFT_OUT

LOG, ANSWERS, REPORT = "log", "answers", "report"
# Of one kind at once, so that reports come in meanwhile.
AT_ONCE = 50
_SIZE = "SELECT coalesce(sum(octets), 0) FROM forward_waiting"
_WITH_LOGS = (
    "SELECT w.report_id FROM forward_waiting w WHERE EXISTS (SELECT 1 FROM log_chunk c WHERE c.report_id=w.report_id "
    "AND c.codec<>?) ORDER BY w.received_at, w.report_id LIMIT ?"
)
_WITH_ANSWERS = (
    "SELECT w.report_id FROM forward_waiting w WHERE EXISTS (SELECT 1 FROM frame f WHERE f.report_id=w.report_id "
    "AND f.body IN ('observation', 'event')) ORDER BY w.received_at, w.report_id LIMIT ?"
)
_ANY = "SELECT report_id FROM forward_waiting ORDER BY received_at, report_id LIMIT ?"
_LOSS = (
    "INSERT INTO forward_loss VALUES (?,?,?,?) ON CONFLICT (what) DO UPDATE SET "
    "times=forward_loss.times+excluded.times, octets=forward_loss.octets+excluded.octets, last_at=excluded.last_at"
)
_OF_REPORT = (
    *("observation", "event", "finding", "log_chunk", "log_line", "log_waiting", "redaction"),
    *("forward", "forward_waiting"),
)


@dataclass(frozen=True, slots=True)
class Shed:
    """So many logs, reports without their answers, or whole reports went; `octets` as they were stored."""

    what: str = ""
    times: int = 0
    octets: int = 0


def waiting_octets(connection: Connection) -> int:
    """What waits for the hub takes so much."""
    return int(connection.execute(_SIZE).fetchone()[0])


def shed_some(connection: Connection, budget_octets: int, now_s: float) -> Shed:
    """Let the oldest of the least needed go, if what waits is above the budget; a step for the one who writes."""
    if waiting_octets(connection) <= budget_octets:
        return Shed()
    shed = _logs(connection) or _answers(connection) or _reports(connection) or Shed()
    if shed.times:
        connection.execute(_LOSS, (shed.what, shed.times, shed.octets, now_s))
    return shed


def losses(connection: Connection) -> dict[str, Shed]:
    """What went in all, by kind."""
    rows = connection.execute("SELECT what, times, octets FROM forward_loss")
    found = {row["what"]: Shed(row["what"], row["times"], row["octets"]) for row in rows}
    return {what: found.get(what, Shed(what)) for what in (LOG, ANSWERS, REPORT)}


def _logs(connection: Connection) -> Shed | None:
    times = octets = 0
    report_ids = [row[0] for row in connection.execute(_WITH_LOGS, (LEFT_OUT, AT_ONCE))]
    for report_id in report_ids:
        chunks = connection.execute(
            "SELECT c.sequence, c.path, c.blob, coalesce(length(b.octets), length(c.data)) AS size, f.octets "
            "FROM log_chunk c JOIN frame f ON f.report_id=c.report_id AND f.sequence=c.sequence "
            "LEFT JOIN log_blob b ON b.address=c.blob WHERE c.report_id=? AND c.codec<>?",
            (report_id, LEFT_OUT),
        ).fetchall()
        for chunk in chunks:
            frame = pb.Frame.FromString(bytes(chunk["octets"]))
            frame.log.codec = LEFT_OUT
            _rewrite(connection, report_id, chunk["sequence"], frame)
            connection.execute(
                "UPDATE log_chunk SET data=?, codec=?, blob=NULL WHERE report_id=? AND sequence=?",
                (b"", LEFT_OUT, report_id, chunk["sequence"]),
            )
            octets += chunk["size"]
        drop_if_unheld(connection, {chunk["blob"] for chunk in chunks if chunk["blob"]})
        times += len({chunk["path"] for chunk in chunks})
    measure(connection, report_ids)
    return Shed(LOG, times, octets) if times else None


def _answers(connection: Connection) -> Shed | None:
    """Observations and events become frames without a body: their numbers stay, so that no report has a gap."""
    times = octets = 0
    report_ids = [row[0] for row in connection.execute(_WITH_ANSWERS, (AT_ONCE,))]
    for report_id in report_ids:
        rows = connection.execute(
            "SELECT sequence, length(octets) AS size FROM frame WHERE report_id=? AND body IN ('observation', 'event')",
            (report_id,),
        ).fetchall()
        for row in rows:
            _rewrite(connection, report_id, row["sequence"], pb.Frame(sequence=row["sequence"]))
        connection.execute(
            "UPDATE frame SET body='' WHERE report_id=? AND body IN ('observation', 'event')", (report_id,)
        )
        mark_reports(connection, [report_id])
        for table in ("observation", "event"):
            connection.execute(f"DELETE FROM {table} WHERE report_id=?", (report_id,))  # noqa: S608 - our names
        times, octets = times + 1, octets + sum(row["size"] for row in rows)
    measure(connection, report_ids)
    return Shed(ANSWERS, times, octets) if times else None


def _reports(connection: Connection) -> Shed | None:
    times = octets = 0
    report_ids = [row[0] for row in connection.execute(_ANY, (AT_ONCE,))]
    boot_keys = boots_of(connection, report_ids)
    mark_reports(connection, report_ids)
    for report_id in report_ids:
        size = connection.execute("SELECT sum(length(octets)) FROM frame WHERE report_id=?", (report_id,)).fetchone()[0]
        held = connection.execute("SELECT blob FROM log_chunk WHERE report_id=? AND blob IS NOT NULL", (report_id,))
        blobs = {row[0] for row in held.fetchall()}
        for table in (*_OF_REPORT, "frame", "report"):
            connection.execute(f"DELETE FROM {table} WHERE report_id=?", (report_id,))  # noqa: S608 - our names
        drop_if_unheld(connection, blobs)
        times, octets = times + 1, octets + int(size or 0)
    choose_speakers(connection, boot_keys)
    return Shed(REPORT, times, octets) if times else None


def _rewrite(connection: Connection, report_id: str, sequence: int, frame: pb.Frame) -> None:
    connection.execute(
        "UPDATE frame SET octets=? WHERE report_id=? AND sequence=?", (frame.SerializeToString(), report_id, sequence)
    )
