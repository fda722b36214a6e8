"""What may go? Reports of failures stay longer than those of successes, logs shorter than what was concluded of them.

What a hub still lacks stays. Works in small transactions, so that reports come in meanwhile. Pages set free are used
again by what comes next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pe_agent.errors import UsageError
from pe_protos.v1 import report_pb2 as pb

from pe_collector import audit
from pe_collector.connection import Connection
from pe_collector.store import FILE_NAME, open_reader, open_writer
from pe_collector.store.blobs import drop_unheld, sizes_at
from pe_collector.store.catalog import is_sqlite
from pe_collector.store.derived import boots_of, choose_speakers
from pe_collector.store.rates import mark_reports
from pe_collector.stream import LEFT_OUT

AT_ONCE = 50
# The collector's writer asks for the lock again after at most 0.1 s (SQLite's busy handler).
PAUSE_S = 0.12
_SUCCESS = "healthy"
_OF_REPORT = (
    *("frame", "observation", "event", "finding", "log_chunk", "log_line", "log_waiting", "redaction"),
    *("forward", "forward_waiting", "forwarded"),
)
_FAILURES, _SUCCESSES = "outcome<>?", "outcome=?"
_NOT_WAITING = "NOT EXISTS (SELECT 1 FROM forward_waiting w WHERE w.report_id=report.report_id)"
_OF_MACHINE = ("machine_mark", "clash")


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what stays, in seconds; a report that says neither is kept like a failure, and so are its logs."""

    failures_s: float
    successes_s: float
    failure_logs_s: float
    success_logs_s: float

    def check(self) -> None:
        """Refuse what would lose failures before successes, or reports before their logs.

        Raises:
            UsageError: it would.
        """
        for shorter, longer, why in _ORDER:
            if getattr(self, longer) < getattr(self, shorter):
                raise UsageError(f"{_option(longer)} is shorter than {_option(shorter)}: {why}")


_ASKED = "what failed is what will be asked about"
_GONE = "a log goes with its report at the latest"
_ORDER = (
    ("successes_s", "failures_s", _ASKED),
    ("success_logs_s", "failure_logs_s", _ASKED),
    ("failure_logs_s", "failures_s", _GONE),
    ("success_logs_s", "successes_s", _GONE),
)


def _option(name: str) -> str:
    return "--keep-" + name.removesuffix("_s").replace("_", "-")


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much went. `log_octets` as these logs had them, `free_octets` inside the file, for what comes next."""

    failures: int = 0
    successes: int = 0
    logs: int = 0
    log_octets: int = 0
    machines: int = 0
    server_events: int = 0
    free_octets: int = 0


def prune(folder: Path, keep: Keep, now_s: float, pause: Callable[[float], None] = time.sleep) -> Pruned:
    """Remove what is older than it is kept, a few reports at a time.

    Raises:
        UsageError: there is no collector, or failures would go before successes, or reports before their logs.
        StoreError: the database does not take it.
    """
    keep.check()
    with closing(open_reader(folder / FILE_NAME)):
        pass
    with closing(open_writer(folder / FILE_NAME)) as connection:
        pruned = Pruned(
            failures=_drop_reports(connection, _FAILURES, now_s - keep.failures_s, pause),
            successes=_drop_reports(connection, _SUCCESSES, now_s - keep.successes_s, pause),
        )
        emptied = (
            _empty_logs(connection, _FAILURES, now_s - keep.failure_logs_s, pause),
            _empty_logs(connection, _SUCCESSES, now_s - keep.success_logs_s, pause),
        )
        logs, octets = map(sum, zip(*emptied, strict=True))
        drop_unheld(connection, lambda: pause(PAUSE_S))
        pruned = replace(
            pruned,
            logs=logs,
            log_octets=octets,
            machines=_drop_machines(connection, pause),
            server_events=_drop_server_events(connection, now_s - keep.failures_s, pause),
        )
        audit.record(connection, audit.by_command(now_s, "prune", "", json.dumps(_counts(pruned))))
        return replace(pruned, free_octets=_free(connection))


def _counts(pruned: Pruned) -> dict[str, int]:
    return {"failures": pruned.failures, "successes": pruned.successes, "logs": pruned.logs}


def _drop_reports(connection: Connection, condition: str, before_s: float, pause: Callable[[float], None]) -> int:
    # The conditions are texts above.
    asked = f"SELECT report_id FROM report WHERE received_at<? AND {condition} AND {_NOT_WAITING} LIMIT ?"  # noqa: S608
    dropped = 0
    while report_ids := [row[0] for row in connection.execute(asked, (before_s, _SUCCESS, AT_ONCE))]:
        wanted = json.dumps(report_ids)
        connection.execute("BEGIN IMMEDIATE")
        boot_keys = boots_of(connection, report_ids)
        mark_reports(connection, report_ids)
        for table in (*_OF_REPORT, "hidden_report", "report"):
            connection.execute(
                f"DELETE FROM {table} WHERE report_id IN (SELECT value FROM json_each(?))",  # noqa: S608 - our names
                (wanted,),
            )
        choose_speakers(connection, boot_keys)
        connection.execute("COMMIT")
        dropped += len(report_ids)
        pause(PAUSE_S)
    return dropped


def _empty_logs(
    connection: Connection, condition: str, before_s: float, pause: Callable[[float], None]
) -> tuple[int, int]:
    """A log stays named, with its size and hash; its octets and lines go."""
    logs = octets = 0
    for report_ids in _with_logs(connection, condition, before_s):
        wanted = (json.dumps(report_ids),)
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(
            "SELECT report_id, sequence, log_chunk.path, length(data) AS octets, blob FROM json_each(?) "
            "CROSS JOIN log_chunk ON report_id=value WHERE codec<>?",
            (*wanted, LEFT_OUT),
        ).fetchall()
        sizes = sizes_at(connection, {row["blob"] for row in rows if row["blob"]})
        for row in rows:
            _empty(connection, row["report_id"], row["sequence"])
        for table in ("log_line", "log_waiting"):
            connection.execute(
                f"DELETE FROM {table} WHERE report_id IN (SELECT value FROM json_each(?))",  # noqa: S608 - our names
                wanted,
            )
        connection.execute("COMMIT")
        logs += len({(row["report_id"], row["path"]) for row in rows})
        octets += sum(row["octets"] + sizes.get(row["blob"], 0) for row in rows)
        pause(PAUSE_S)
    return logs, octets


def _with_logs(connection: Connection, condition: str, before_s: float) -> Iterator[Sequence[str]]:
    last = ""
    asked = (
        "SELECT DISTINCT log_chunk.report_id FROM log_chunk JOIN report ON report.report_id=log_chunk.report_id "  # noqa: S608 - ours
        f"WHERE log_chunk.report_id>? AND received_at<? AND {condition} AND codec<>? AND {_NOT_WAITING} "
        "ORDER BY 1 LIMIT ?"
    )
    while True:
        rows = connection.execute(asked, (last, before_s, _SUCCESS, LEFT_OUT, AT_ONCE)).fetchall()
        if not rows:
            return
        yield [row[0] for row in rows]
        last = rows[-1][0]


def _empty(connection: Connection, report_id: str, sequence: int) -> None:
    key = (report_id, sequence)
    row = connection.execute("SELECT octets FROM frame WHERE report_id=? AND sequence=?", key).fetchone()
    if row is not None:
        frame = pb.Frame.FromString(row["octets"])
        frame.log.codec = LEFT_OUT
        octets = frame.SerializeToString()
        connection.execute("UPDATE frame SET octets=? WHERE report_id=? AND sequence=?", (octets, *key))
    emptied = "UPDATE log_chunk SET data=?, blob=NULL, codec=? WHERE report_id=? AND sequence=?"
    connection.execute(emptied, (b"", LEFT_OUT, *key))


def _drop_machines(connection: Connection, pause: Callable[[float], None]) -> int:
    """Machines of which no report is left."""
    dropped = 0
    asked = (
        "SELECT machine_id FROM machine WHERE NOT EXISTS "
        "(SELECT 1 FROM report WHERE report.machine_id=machine.machine_id) LIMIT ?"
    )
    while True:
        # Asked inside: a report that comes between question and answer keeps its machine.
        connection.execute("BEGIN IMMEDIATE")
        machine_ids = [row[0] for row in connection.execute(asked, (AT_ONCE,))]
        for table in (*_OF_MACHINE, "machine"):
            connection.execute(
                f"DELETE FROM {table} WHERE machine_id IN (SELECT value FROM json_each(?))",  # noqa: S608 - our names
                (json.dumps(machine_ids),),
            )
        connection.execute("COMMIT")
        dropped += len(machine_ids)
        if len(machine_ids) < AT_ONCE:
            return dropped
        pause(PAUSE_S)


def _drop_server_events(connection: Connection, before_s: float, pause: Callable[[float], None]) -> int:
    dropped = 0
    asked = (
        "DELETE FROM server_event WHERE (source, at_s, event, mac, ip, text) IN "
        "(SELECT source, at_s, event, mac, ip, text FROM server_event WHERE at_s<? LIMIT ?)"
    )
    while gone := connection.execute(asked, (before_s, 10 * AT_ONCE)).rowcount:
        dropped += gone
        pause(PAUSE_S)
    return dropped


def _free(connection: Connection) -> int:
    """In the file; a server frees its own pages by itself (autovacuum)."""
    if not is_sqlite(connection):
        return 0
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    return int(pages * size)
