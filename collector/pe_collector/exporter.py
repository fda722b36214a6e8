"""Stored reports as JSON Lines, in the form `import` reads: the proto3 JSON mapping of pe.v1.Report."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pe_agent import wire
from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection
from pe_collector.store.blobs import octets_of


def export_reports(connection: Connection, since_s: float, until_s: float = math.inf) -> Iterator[str]:
    """One line a report received in this period (Unix seconds), oldest first."""
    rows = connection.execute(
        "SELECT report_id FROM report WHERE received_at>=? AND received_at<? ORDER BY received_at, report_id",
        (since_s, until_s),
    ).fetchall()
    for row in rows:
        yield wire.report_to_json(wire.frames_to_report(frames_of(connection, row["report_id"])))


def frames_of(connection: Connection, report_id: str) -> Iterator[pb.Frame]:
    """A report's frames as they came, log data put back in."""
    rows = connection.execute(
        "SELECT frame.octets, log_chunk.data, log_chunk.blob FROM frame "
        "LEFT JOIN log_chunk USING (report_id, sequence) WHERE report_id=? ORDER BY sequence",
        (report_id,),
    )
    for row in rows:
        frame = pb.Frame.FromString(row["octets"])
        if row["data"] is not None:
            frame.log.data = octets_of(connection, row)
        yield frame
