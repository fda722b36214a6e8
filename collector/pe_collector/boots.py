"""Stored reports as boots: one a boot, however many reports it sent."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern

from pe_collector.connection import Connection, Row

LEAST_CONFIDENCE = 0.5
# These have fields of their own.
_OWN_FIELDS = frozenset({"address", "subnet", "prefix_length"})
_WORST = {"fault": 0, "warning": 1, "unknown": 2, "incomplete": 3, "healthy": 4}
# Attributes that the store works out from more than one fact, and their columns.
_DERIVED = (("site", "site"), ("switch", "switch"), ("port", "switch_port"))

# What a boot is made of; findings come apart.
COLUMNS = (
    "report_id, machine_id, boot_key, booted_at, received_at, carried, peer, address, prefix, attributes, "
    "outcome, verdict, site, switch, switch_port, link_to_address_s"
)
_FINDINGS = "SELECT report_id, finding, evidence, finding.confidence FROM "
_Failures = Mapping[str, Mapping[str, str]]
# By report, finding -> target of the sure and of the doubtful ones.
Findings = tuple[_Failures, _Failures]


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot of one machine.

    Attributes:
        at_s: Unix time by the collector's clock, seconds.
        address: IP address, or empty.
        subnet: `10.10.1.0/24`, as the machine's own netmask says, or empty.
        attributes: what else is known of the boot, by name; an absent or empty one is not known.
        failures: findings -> the target each was seen on (`10.10.9.20:5040`), or empty.
        doubtful: the same for findings that are little more than a guess.
        outcome: the worst verdict of its reports: fault, warning, unknown, incomplete or healthy.
        verdict: the finding that the machine itself put first, or empty.
        link_to_address_s: seconds from the link to the first address; None when not known.
        source: address that the report came from; empty when a file or this computer brought it.
    """

    report_id: str
    machine_id: str
    at_s: float
    address: str = ""
    subnet: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    healthy: bool = False
    doubtful: Mapping[str, str] = field(default_factory=dict)
    outcome: str = ""
    verdict: str = ""
    link_to_address_s: float | None = None
    source: str = ""


def host_of_peer(peer: str) -> str:
    """The address in a gRPC peer (`ipv4:10.1.1.5:5123`, `ipv6:%5B::1%5D:5123`) or in `10.1.1.5:5123`."""
    text = peer.removeprefix("ipv4:").removeprefix("ipv6:").replace("%5B", "[").replace("%5D", "]")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def findings_of(connection: Connection, report_ids: Sequence[str]) -> Findings:
    """Those of these reports."""
    asked = f"{_FINDINGS} json_each(?) CROSS JOIN finding ON finding.report_id=value ORDER BY report_id, sequence"
    return _failures(connection.execute(asked, (json.dumps(report_ids),)))


def boot_of(rows: Sequence[Row], findings: Findings) -> Boot:
    """The boot of these reports, in order of time.

    The first report gives the time, the last one that knows an address the place; failures add up.
    """
    first = rows[0]
    best = worst = first
    if len(rows) > 1:
        best = next((row for row in reversed(rows) if row["address"]), rows[-1])
        worst = min(reversed(rows), key=lambda row: _WORST.get(row["outcome"], len(_WORST)))
    failed, doubtful = (_together(rows, each) for each in findings)
    waits = [row["link_to_address_s"] for row in rows if row["link_to_address_s"] is not None]
    return Boot(
        report_id=best["report_id"],
        machine_id=intern(first["machine_id"]),
        # When a carried report was imported says nothing about the boot.
        at_s=first["booted_at"] if first["carried"] else first["received_at"],
        address=intern(best["address"] or ""),
        subnet=intern(best["prefix"] or ""),
        attributes=_attributes(best["attributes"], *(best[column] for _, column in _DERIVED)),
        failures=failed,
        healthy=not failed and rows[-1]["outcome"] == "healthy",
        doubtful=doubtful,
        outcome=intern(worst["outcome"]),
        verdict=intern(worst["verdict"]),
        link_to_address_s=waits[0] if waits else None,
        source="" if best["carried"] else intern(_elsewhere(host_of_peer(best["peer"]))),
    )


# Boots of one machine have the same ones mostly, and share them.
@functools.lru_cache(maxsize=1 << 16)
def _attributes(text: str, *derived: str | None) -> Mapping[str, str]:
    attributes = {name: value for name, value in json.loads(text).items() if name not in _OWN_FIELDS}
    return attributes | {name: value for (name, _), value in zip(_DERIVED, derived, strict=True) if value}


def _elsewhere(host: str) -> str:
    """Empty for this computer itself: a proxy or a forwarder speaks for others."""
    return "" if host in ("::1", "localhost") or host.startswith(("127.", "unix:")) else host


def _together(rows: Sequence[Row], findings: _Failures) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        for finding, target in findings.get(row["report_id"], {}).items():
            found[finding] = found.get(finding) or target
    return found


def _failures(rows: Iterable[Row]) -> Findings:
    sure: defaultdict[str, dict[str, str]] = defaultdict(dict)
    doubtful: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        targets = (evidence["target"] for evidence in json.loads(row["evidence"]))
        found = sure if (row["confidence"] or 0.0) >= LEAST_CONFIDENCE else doubtful
        found[row["report_id"]].setdefault(row["finding"], next(filter(None, targets), ""))
    return dict(sure), dict(doubtful)
