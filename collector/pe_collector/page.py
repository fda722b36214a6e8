"""A report as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pe_collector.output import clean, when

_INTACT = {True: "sha256 agrees", False: "DAMAGED: sha256 differs", None: "no sha256 came with it"}


def report_page(report: Mapping[str, Any]) -> str:
    """Verdict first, then what it stands on. Nothing a machine sent can steer the terminal."""
    return "\n".join(clean(line) for line in _lines(report))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    incomplete = "" if report["complete"] else "  (incomplete: the machine has not finished, or was cut off)"
    yield f"{report['outcome'].upper()}: {report['title'] or 'no finding'}{incomplete}"
    if report["advice"]:
        yield f"  {report['owner']}: {report['advice']}"
    yield f"report {report['report_id']}, code {report['code']}, received {when(report['received_at'])}"
    yield f"machine {report['machine_id']}, booted {when(report['booted_at'])}, image {report['image'] or 'not known'}"
    if report["clock_skew_s"] is not None and abs(report["clock_skew_s"]) > 60:
        yield f"the machine's clock is off by {report['clock_skew_s']:+.0f} s"
    for clash in report["clashes"]:
        yield f"clash: {clash['kind']} {clash['value']} is also on machine {clash['shared_with']}"
    yield from (f"servers say: {sentence}" for sentence in report["servers_say"])
    for name, section in _SECTIONS.items():
        if report[name]:
            yield ""
            yield f"{name}:"
            for entry in report[name]:
                yield from section(entry)


def _finding(entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {entry['finding']} ({_share(entry['confidence'])}, {entry['owner']}): {entry['title']}"
    for evidence in entry["evidence"]:
        where = f"{evidence['file']}:{evidence['line']}" if evidence["file"] else evidence["probe"]
        yield f"    {where} {evidence['target']} {evidence['text']}"


def _observation(entry: Mapping[str, Any]) -> Iterator[str]:
    facts = " ".join(f"{name}={value}" for name, value in entry["facts"].items())
    head = f"{entry['probe']} {entry['target']}".strip()
    yield f"  {entry['outcome']:8} {head:40} {entry['reason']:16} {_seconds(entry['elapsed_s'])}  {facts}"


def _event(entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {_seconds(entry['at_s'])}  {entry['adapter']}  {entry['kind']}  {entry['detail']}"


def _log(entry: Mapping[str, Any]) -> Iterator[str]:
    sizes = f"{entry['collected_bytes']} of {entry['file_bytes']} octets"
    yield f"  {entry['path']}  {sizes}, {_INTACT[entry['intact']]}"
    yield from (f"    {problem}" for problem in entry["problems"])


def _server_event(entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {when(entry['at_s'])}  {entry['source']} {entry['event']}  {' '.join(entry['text'].split())}"


_SECTIONS = {
    "findings": _finding,
    "observations": _observation,
    "timeline": _event,
    "logs": _log,
    "server_events": _server_event,
}


def _seconds(value: float | None) -> str:
    return "       ?" if value is None else f"{value:7.2f}s"


def _share(confidence: float | None) -> str:
    return "?" if confidence is None else f"{confidence:.0%}"
