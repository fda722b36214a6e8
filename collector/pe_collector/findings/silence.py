"""Where do machines boot that never report? What the servers saw, as boots of the same kind as the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pe_collector import server_side
from pe_collector.boots import Boot
from pe_collector.connection import Connection

# How far a machine came -> what it is called here; the furthest first.
_SIGNATURES = {
    server_side.CLIENT_STARTED: "silent-after-rpc",
    server_side.IMAGE_DONE: "silent-after-image",
    server_side.TRANSFER_FAILED: "silent-transfer-failed",
    server_side.BOOTED: "silent-after-boot",
}


_NO_REPORT = "silent"


def who_of(report_id: str) -> str:
    """The MAC or address of a boot that only servers saw; empty for a report."""
    word, _, rest = report_id.partition(" ")
    return rest.rpartition(" ")[0] if word == _NO_REPORT else ""


def silent_boots(connection: Connection, since_s: float, until_s: float | None) -> list[Boot]:
    """Boots that a WDS server saw and that sent no report, with their one finding."""
    rows = server_side.silent_machines(connection, since_s)
    known = _machines(connection, sorted({row["mac"] for row in rows if row["mac"]}))
    return [_boot(row, known) for row in rows if until_s is None or row["booted"] <= until_s]


def silence_of(boot: Boot) -> str:
    """The signature of a silent boot; empty for one that reported, whatever it reported."""
    return next((name for name in boot.failures if name in _SIGNATURES.values()), "")


def _boot(row: Mapping[str, Any], known: Mapping[str, str]) -> Boot:
    seen = set(row["events"].split())
    signature = next(name for event, name in _SIGNATURES.items() if event in seen)
    who = row["mac"] or row["ip"]
    return Boot(
        report_id=f"{_NO_REPORT} {who} {row['booted']:.0f}",
        machine_id=known.get(row["mac"], who),
        at_s=row["booted"],
        address=row["ip"],
        failures={signature: ""},
        outcome=_NO_REPORT,
    )


def _machines(connection: Connection, macs: Sequence[str]) -> dict[str, str]:
    """Hardware address -> machine, where one machine alone has it."""
    found: dict[str, str] = {}
    for mac in macs:
        rows = connection.execute(
            "SELECT machine_id FROM machine_mark WHERE kind='mac' AND value=? LIMIT 2", (mac,)
        ).fetchall()
        if len(rows) == 1:
            found[mac] = rows[0]["machine_id"]
    return found
