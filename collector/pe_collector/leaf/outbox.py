"""What does the hub not have yet? Reports that wait, in the parts that it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection
from pe_collector.limits import BATCH_OCTETS
from pe_collector.store.waiting import settle

REFUSED, OPEN = "refused", "open"
_DUE = (
    "SELECT r.report_id, r.received_at, r.peer, r.carried, r.stored_through, coalesce(f.through, -1) AS through "
    "FROM forward_waiting w CROSS JOIN report r ON r.report_id=w.report_id LEFT JOIN forward f "
    "ON f.report_id=w.report_id ORDER BY w.received_at, w.report_id LIMIT ?"
)
_COUNT = "SELECT count(*) AS waiting, min(received_at) AS oldest FROM forward_waiting"
_NOTE = (
    "INSERT INTO forward VALUES (?,?,?,?,?) ON CONFLICT (report_id) DO UPDATE SET "
    "through=excluded.through, state=excluded.state, reason=excluded.reason, at=excluded.at"
)


@dataclass(frozen=True, slots=True)
class Due:
    """A report of which the hub lacks the frames after `through`; -1: all, the hello too."""

    report_id: str
    received_at: float
    peer: str
    carried: bool
    stored_through: int
    through: int


@dataclass(frozen=True, slots=True)
class Noted:
    """How far a report is at the hub, or why the hub does not take it."""

    report_id: str
    through: int
    state: str = OPEN
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many reports wait, and since when the oldest does (Unix seconds, None: none waits)."""

    reports: int
    oldest_at: float | None


def due(connection: Connection, most: int) -> list[Due]:
    """Reports that the hub lacks something of, the oldest first."""
    rows = connection.execute(_DUE, (most,))
    return [Due(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows]


def backlog(connection: Connection) -> Backlog:
    """All that waits."""
    row = connection.execute(_COUNT).fetchone()
    return Backlog(row["waiting"], row["oldest"])


def noting(noted: Sequence[Noted], now_s: float) -> Callable[[Connection], None]:
    """A step for the one who writes."""
    rows = [(one.report_id, one.through, one.state, one.reason[:500], now_s) for one in noted]

    def step(connection: Connection) -> None:
        connection.executemany(_NOTE, rows)
        settle(connection, [row[0] for row in rows])

    return step


def parcels_of(connection: Connection, report: Due) -> Iterator[tuple[pb.Parcel, int]]:
    """What the hub lacks of a report, in messages that it takes, each with the number of its last frame."""
    rows = connection.execute(
        "SELECT f.sequence, f.octets, coalesce(b.octets, c.data) FROM frame f LEFT JOIN log_chunk c "
        "ON c.report_id=f.report_id AND c.sequence=f.sequence LEFT JOIN log_blob b ON b.address=c.blob "
        "WHERE f.report_id=? AND (f.sequence=0 OR f.sequence>?) "
        "ORDER BY f.sequence",
        (report.report_id, report.through),
    )
    hello: bytes = b""
    frames: list[bytes] = []
    size, last = 0, max(report.through, 0)
    for sequence, octets, data in rows:
        if sequence == 0:
            hello = bytes(octets)
            continue
        whole = _with_data(octets, data)
        if frames and size + len(whole) > BATCH_OCTETS:
            yield _parcel(report, [hello, *frames]), last
            frames, size = [], 0
        frames.append(whole)
        size, last = size + len(whole), sequence
    if hello:
        yield _parcel(report, [hello, *frames]), last


def _parcel(report: Due, frames: Iterable[bytes]) -> pb.Parcel:
    return pb.Parcel(frames=frames, peer=report.peer, received_at=report.received_at, carried=report.carried)


def _with_data(octets: bytes, data: bytes | None) -> bytes:
    """The frame as it came: the data of a log is kept elsewhere."""
    if data is None:
        return bytes(octets)
    frame = pb.Frame.FromString(bytes(octets))
    frame.log.data = bytes(data)
    return frame.SerializeToString()
