"""A frame as rows: the octets as they came, and the columns people ask about.

Words are stored as they were sent: a reason this version does not know is shown, not judged.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pe_protos.v1 import report_pb2 as pb

_MOST = 2**63 - 1
# Facts are flat, and there are a dozen objects of them in a report: an encoder for each takes five times as long.
_AS_JSON: Mapping[str, Callable[[Any], str]] = {
    "text": json.encoder.encode_basestring_ascii,
    "integer": int.__repr__,
    "real": float.__repr__,
    "flag": {False: "false", True: "true"}.__getitem__,
}

INSERTS = {
    "frame": "INSERT INTO frame VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
    "observation": "INSERT INTO observation VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "event": "INSERT INTO event VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "finding": "INSERT INTO finding VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "log_chunk": "INSERT INTO log_chunk VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "log_blob": "INSERT INTO log_blob VALUES (?,?) ON CONFLICT DO NOTHING",
}


@dataclass(frozen=True, slots=True)
class Removed:
    """So many values one rule of redaction took out of one place: a log's path, or the kind of a record."""

    place: str
    rule: str
    values: int


class Filed(NamedTuple):
    """One frame ready for the tables. `table` is empty when this version has no table for its body.

    `blob` is what a chunk of a log holds, after its address.
    """

    report_id: str
    sequence: int
    body: str
    octets: bytes
    size: int
    table: str = ""
    row: tuple[Any, ...] = ()
    summary: pb.Summary | None = None
    redacted: tuple[Removed, ...] = ()
    blob: tuple[str, bytes] | None = None


def file_frame(report_id: str, frame: pb.Frame, octets: bytes, redacted: tuple[Removed, ...] = ()) -> Filed:
    """The rows of one frame that is not a hello; `octets` is what was received, `redacted` what it then lost."""
    body = frame.WhichOneof("body") or ""
    size = len(octets)
    table, columns = _TABLES.get(body, ("", None))
    row = (report_id, frame.sequence, *columns(getattr(frame, body))) if columns else ()
    blob = None
    if body == "log":
        blob = (row[-1], frame.log.data) if row[-1] else None
        frame.log.ClearField("data")
        octets = frame.SerializeToString()
    summary = frame.summary if body == "summary" else None
    return Filed(report_id, frame.sequence, body, octets, size, table, row, summary, redacted, blob)


def finite(number: float) -> float | None:
    """The number, None for one that is not finite: JSON has no word for it and it orders nothing."""
    return number if math.isfinite(number) else None


def _observation(body: pb.Observation) -> tuple[Any, ...]:
    times = finite(body.started_at_s), finite(body.elapsed_s)
    return body.probe, body.target, body.outcome, body.reason, *times, _facts(body.facts)


def _facts(facts: Any) -> str:
    """As wire.facts_from_pb in JSON, by name and without numbers that JSON has no word for."""
    members = []
    for name in sorted(facts):
        value = facts[name]
        kind = value.WhichOneof("kind")
        if kind is not None and (kind != "real" or math.isfinite(value.real)):
            members.append(f"{_AS_JSON['text'](name)}: {_AS_JSON[kind](getattr(value, kind))}")
    return f"{{{', '.join(members)}}}"


def _event(body: pb.Event) -> tuple[Any, ...]:
    return finite(body.at_s), body.adapter, body.kind, body.detail, body.recovered


def _finding(body: pb.Finding) -> tuple[Any, ...]:
    evidence = [
        {"file": e.file, "line": e.line, "text": e.text, "probe": e.probe, "target": e.target} for e in body.evidence
    ]
    return body.id, body.title, body.owner, body.advice, finite(body.confidence), json.dumps(evidence)


def _log(body: pb.LogChunk) -> tuple[Any, ...]:
    offset, size = min(body.offset_bytes, _MOST), min(body.file_bytes, _MOST)
    address = hashlib.sha256(body.data).hexdigest() if body.data else None
    return body.path, offset, body.codec, body.expanded_bytes, size, body.sha256, b"", address


_TABLES: dict[str, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    "observation": ("observation", _observation),
    "event": ("event", _event),
    "finding": ("finding", _finding),
    "log": ("log_chunk", _log),
}
