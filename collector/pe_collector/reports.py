"""What is known of one report, one machine, one log."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pe_agent import wire
from pe_agent.errors import UsageError

from pe_collector.connection import Connection, Row
from pe_collector.server_side import events_of, sentences
from pe_collector.store.blobs import octets_of


@dataclass(frozen=True, slots=True)
class Log:
    """A log file put together again. `intact`: its hash agrees; None when no hash came with it."""

    path: str
    octets: bytes
    file_bytes: int
    intact: bool | None
    problems: tuple[str, ...] = ()


def find_reports(connection: Connection, name: str) -> list[str]:
    """Report ids that `name` stands for, newest first: a report id or its beginning, a code, or a machine id.

    Raises:
        UsageError: it stands for none.
    """
    word = name.strip()
    rows = connection.execute(
        "SELECT report_id FROM report WHERE report_id=:low OR code=:up OR machine_id=:low "
        "OR (length(:low)>=6 AND substr(report_id,1,length(:low))=:low) ORDER BY received_at DESC, report_id DESC",
        {"low": word.lower(), "up": word.upper()},
    )
    found = [row["report_id"] for row in rows]
    if not found:
        raise UsageError(f"{name!r} is no report, code or machine here; `pe-collector machines` lists them")
    return found


def report_document(connection: Connection, report_id: str) -> dict[str, Any]:
    """Everything about a report but the octets of its logs, ready for JSON."""
    report = dict(connection.execute("SELECT * FROM report WHERE report_id=?", (report_id,)).fetchone())
    report["attributes"] = json.loads(report["attributes"])
    report["complete"], report["carried"] = bool(report["complete"]), bool(report["carried"])
    report["observations"] = _children(connection, "observation", report_id, ("facts",))
    report["timeline"] = sorted(_children(connection, "event", report_id), key=lambda e: e["at_s"] or 0.0)
    report["findings"] = _children(connection, "finding", report_id, ("evidence",))
    report["logs"] = [
        {
            "path": log.path,
            "collected_bytes": len(log.octets),
            "file_bytes": log.file_bytes,
            "intact": log.intact,
            "problems": list(log.problems),
        }
        for log in logs_of(connection, report_id)
    ]
    report["server_events"] = events_of(connection, report_id)
    report["servers_say"] = sentences(report["server_events"])
    report["through"] = _through(connection, report_id)
    report["clashes"] = clashes_of(connection, report["machine_id"])
    return report


def _through(connection: Connection, report_id: str) -> dict[str, Any] | None:
    """The leaf that passed a report on, and when it did (Unix seconds); None for one that came by itself."""
    row = connection.execute(
        "SELECT token.name AS leaf, forwarded.peer, forwarded.arrived_at FROM forwarded "
        "LEFT JOIN token USING (token_id) WHERE report_id=?",
        (report_id,),
    ).fetchone()
    return dict(row) if row else None


def clashes_of(connection: Connection, machine_id: str) -> list[dict[str, Any]]:
    """Marks of this machine that others carry too, and who they are."""
    rows = connection.execute(
        "SELECT mine.kind, mine.value, other.machine_id FROM clash mine JOIN clash other USING (kind, value) "
        "WHERE mine.machine_id=? AND other.machine_id<>mine.machine_id ORDER BY 1, 2, 3",
        (machine_id,),
    )
    return [{"kind": kind, "value": value, "shared_with": other} for kind, value, other in rows]


def logs_of(connection: Connection, report_id: str) -> list[Log]:
    """The report's logs by path."""
    rows = connection.execute("SELECT * FROM log_chunk WHERE report_id=? ORDER BY sequence", (report_id,))
    of_path: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_path[row["path"]].append(row)
    return [_join(connection, path, chunks) for path, chunks in of_path.items()]


def log_of(connection: Connection, report_id: str, path: str) -> Log:
    """One log of a report, by its whole path or its file name.

    Raises:
        UsageError: the report has no such log.
    """
    logs = logs_of(connection, report_id)
    for log in logs:
        if path.lower() in (log.path.lower(), log.path.replace("\\", "/").rpartition("/")[2].lower()):
            return log
    known = ", ".join(log.path for log in logs) or "none"
    raise UsageError(f"report {report_id} has no log {path!r}; it has: {known}")


def _join(connection: Connection, path: str, chunks: Sequence[Row]) -> Log:
    """Chunks in the order they were sent, which is how the hash counts them; gaps stay gaps."""
    octets, problems = bytearray(), []
    for chunk in chunks:
        try:
            octets += _expand(chunk, octets_of(connection, chunk))
        except ValueError as exc:
            problems.append(f"chunk at {chunk['offset_bytes']}: {exc}")
    claimed = next((chunk["sha256"] for chunk in reversed(chunks) if chunk["sha256"]), b"")
    intact = hashlib.sha256(octets).digest() == claimed if claimed else None
    return Log(path, bytes(octets), chunks[-1]["file_bytes"], intact, tuple(problems))


def _expand(chunk: Row, data: bytes) -> bytes:
    expected = chunk["expanded_bytes"]
    if chunk["codec"] == "left-out":
        raise ValueError(f"{expected} octets were left out: the collector's disk was short, or they were pruned")
    if chunk["codec"] not in ("", "zlib"):
        raise ValueError(f"codec {chunk['codec']!r} is not known to this version")
    if chunk["codec"] == "zlib":
        try:
            data = zlib.decompressobj().decompress(data, min(expected, wire.MAX_CHUNK_OCTETS) + 1)
        except zlib.error as exc:
            raise ValueError(f"damaged ({exc})") from exc
    if len(data) != expected:
        raise ValueError(f"holds {len(data)} octets and claims {expected}")
    return bytes(data)


def _children(
    connection: Connection, table: str, report_id: str, documents: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    # The table's name is one of ours.
    rows = connection.execute(f"SELECT * FROM {table} WHERE report_id=? ORDER BY sequence", (report_id,))  # noqa: S608
    found = []
    for row in rows:
        child = {name: row[name] for name in row.keys() if name != "report_id"}  # noqa: SIM118 - Row
        found.append({name: json.loads(v) if name in documents else v for name, v in child.items()})
    return found
