"""Stored reports as boots for the pattern statistic: one a boot, however many reports it sent."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping

from pe_collector.patterns import Boot

LEAST_CONFIDENCE = 0.5
# These have fields of their own.
_OWN_FIELDS = frozenset({"address", "subnet", "prefix_length"})
_NOT_TRIED = ("skipped", "crashed")

_Failures = Mapping[str, Mapping[str, str]]


def boots_since(connection: sqlite3.Connection, since_s: float) -> list[Boot]:
    """Boots that sent a report since then, in order of time."""
    failures = _failures(connection, since_s)
    reached = _reached(connection, since_s)
    rows = connection.execute(
        "SELECT report_id, machine_id, boot_key, booted_at, received_at, carried, address, prefix, attributes, outcome "
        "FROM report WHERE received_at>=? ORDER BY received_at, report_id",
        (since_s,),
    )
    of_boot: defaultdict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in rows:
        of_boot[row["boot_key"]].append(row)
    boots = [_boot(those, failures, reached) for those in of_boot.values()]
    return sorted(boots, key=lambda boot: (boot.at_s, boot.report_id))


def _boot(rows: list[sqlite3.Row], failures: _Failures, reached: Mapping[str, frozenset[str]]) -> Boot:
    """The first report gives the time, the last one that knows an address the place; failures add up."""
    first = rows[0]
    best = next((row for row in reversed(rows) if row["address"]), rows[-1])
    attributes = json.loads(best["attributes"])
    failed: dict[str, str] = {}
    for row in rows:
        for signature, target in failures.get(row["report_id"], {}).items():
            failed[signature] = failed.get(signature) or target
    return Boot(
        report_id=best["report_id"],
        machine_id=first["machine_id"],
        # When a carried report was imported says nothing about the boot.
        at_s=first["booted_at"] if first["carried"] else first["received_at"],
        address=best["address"] or "",
        subnet=best["prefix"] or "",
        attributes={name: value for name, value in attributes.items() if name not in _OWN_FIELDS},
        failures=failed,
        healthy=not failed and rows[-1]["outcome"] == "healthy",
        reached=frozenset().union(*(reached.get(row["report_id"], frozenset()) for row in rows)),
    )


def _failures(connection: sqlite3.Connection, since_s: float) -> dict[str, dict[str, str]]:
    rows = connection.execute(
        "SELECT report_id, finding, evidence FROM finding JOIN report USING (report_id) "
        "WHERE received_at>=? AND finding.confidence>=? ORDER BY report_id, sequence",
        (since_s, LEAST_CONFIDENCE),
    )
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        targets = (evidence["target"] for evidence in json.loads(row["evidence"]))
        found[row["report_id"]].setdefault(row["finding"], next(filter(None, targets), ""))
    return dict(found)


def _reached(connection: sqlite3.Connection, since_s: float) -> dict[str, frozenset[str]]:
    rows = connection.execute(
        "SELECT DISTINCT report_id, probe FROM observation JOIN report USING (report_id) "
        "WHERE received_at>=? AND observation.outcome NOT IN (?,?)",
        (since_s, *_NOT_TRIED),
    )
    found: defaultdict[str, set[str]] = defaultdict(set)
    for report_id, probe in rows:
        found[report_id].add(probe)
    return {report_id: frozenset(probes) for report_id, probes in found.items()}
