"""A report in one piece, as an upload carries it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pe_agent import plain
from pe_agent.bundle import encode_bundle
from pe_agent.errors import DecodeError
from pe_agent.model import Clock, Report

if TYPE_CHECKING:
    from pe_protos.v1 import report_pb2 as pb

# The two forms of a body: a bundle as pe_agent.bundle writes it, or one line of proto3 JSON.
BUNDLE_TYPE, JSON_TYPE = "application/vnd.pe-report", "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A report ready to go: `octets` in the form that `content_type` names, `records` beside its hello."""

    octets: bytes
    content_type: str
    records: int


def parcel_of(report: Report, clock: Clock) -> Parcel:
    """A report of this run; as JSON where protobuf does not load."""
    try:
        from pe_agent import wire  # noqa: PLC0415 - may fail to load in Windows PE
    except ImportError:
        line = plain.report_to_json(report, clock) + "\n"
        return Parcel(line.encode("ascii"), JSON_TYPE, len(report.records))
    frames = [wire.encode_hello(report.opening, clock)]
    frames += [wire.encode_record(number, record) for number, record in enumerate(report.records, start=1)]
    return parcel_of_frames(frames)


def parcel_of_frames(frames: Iterable[pb.Frame]) -> Parcel:
    """Frames as a bundle, the hello first."""
    payloads = [frame.SerializeToString() for frame in frames]
    return Parcel(encode_bundle(payloads), BUNDLE_TYPE, len(payloads) - 1)


def parcel_of_line(line: bytes, now: Clock) -> Parcel:
    """A report kept as JSON, its clock set to now.

    Raises:
        DecodeError: it is not the JSON this agent keeps.
    """
    try:
        document: dict[str, Any] = json.loads(line)
        clock = document["hello"]["clock"]
        kept = Clock(float(clock["uptime_s"]), int(clock["wall_ms"]), int(clock["utc_offset_min"]))
        moved = clock_now(kept, now)
        clock |= {"uptime_s": moved.uptime_s, "wall_ms": moved.wall_ms}
        records = sum(len(document[name]) for name in ("events", "observations", "logs", "findings"))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DecodeError(f"not a report that pe-agent kept: {type(exc).__name__} {exc}") from exc
    octets = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
    return Parcel(octets, JSON_TYPE, records + ("summary" in document))


def clock_now(kept: Clock, now: Clock) -> Clock:
    """The clocks of the machine that kept a report, had it run on until now: its boot stays where it was.

    On another machine this is as right as the two wall clocks are; where they contradict, it stays as kept.
    """
    passed_ms = now.wall_ms - kept.wall_ms
    if passed_ms < 0:
        return kept
    return replace(kept, uptime_s=kept.uptime_s + passed_ms / 1000, wall_ms=now.wall_ms)
