"""The report as proto3 JSON without protobuf: how a report is kept when that library will not load.

`pe-collector import` reads it. Source of the form: https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pe_agent.model import Clock, Event, FactValue, Finding, LogChunk, Observation, Record, Report

_VALUE_KINDS: tuple[tuple[type, str], ...] = ((bool, "flag"), (int, "integer"), (float, "real"), (str, "text"))
_LISTS: tuple[tuple[str, type], ...] = (
    ("events", Event),
    ("observations", Observation),
    ("logs", LogChunk),
    ("findings", Finding),
)


def report_to_json(report: Report, clock: Clock) -> str:
    """One line of JSON in the proto3 mapping of pe.v1.Report."""
    message: dict[str, Any] = {"hello": _plain(report.opening) | {"clock": _plain(clock)}}
    for name, kind in _LISTS:
        message[name] = [_record(r) for r in report.records if isinstance(r, kind)]
    if report.verdict is not None:
        message["summary"] = _plain(report.verdict)
    return json.dumps(message, ensure_ascii=True, separators=(",", ":"))


def _record(record: Record) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(record)
    if isinstance(record, Observation):
        plain["facts"] = _values(record.facts)
    if isinstance(record, LogChunk):
        del plain["octets"]
        packed = zlib.compress(record.octets, 6)
        plain |= {"data": base64.b64encode(packed).decode("ascii"), "codec": "zlib"}
        plain["expanded_bytes"] = len(record.octets)
    return plain


def _values(facts: Mapping[str, FactValue]) -> dict[str, dict[str, FactValue]]:
    return {name: {_kind(value): value} for name, value in facts.items()}


def _kind(value: FactValue) -> str:
    return next(word for kind, word in _VALUE_KINDS if isinstance(value, kind))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: _plain(inner) for name, inner in pairs if not isinstance(inner, Mapping)}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value
