"""What do the servers' logs say about the machines, and about those that never reported?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from itertools import groupby
from typing import Any

from pe_collector.connection import Connection, Row
from pe_collector.server_logs import ServerEvent
from pe_collector.store import StoreError

# A machine has its Windows PE and has sent a report this long after its last step that the servers saw, or never will.
REPORT_WITHIN_S = 3600.0
# Setup asks the server this soon after the boot image has come.
RPC_WITHIN_S = 1800.0
# Clocks of servers differ by this much and more where nobody looks after them; also how long a boot takes to its image.
BEFORE_S = 900.0
BOOTED, IMAGE_DONE, TRANSFER_FAILED, CLIENT_STARTED, IMAGE_CHOSEN = "4096", "4100", "4101", "4102", "4104"
_INSERT = "INSERT INTO server_event VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
# A boot image is a WIM; every other file of the way there is a step before.
_IS_STEP = "(event IN ('4096','4101','4102') OR (event='4100' AND lower(text) LIKE '%.wim%'))"
_WORDS = {
    BOOTED: "booted from the network, its boot image did not come (4096, no 4100)",
    TRANSFER_FAILED: "a TFTP download failed (4101)",
    IMAGE_DONE: "got its boot image (4100), never reached RPC (no 4102)",
    CLIENT_STARTED: "its Setup reached the WDS server (4102)",
}
_IMAGES_UNREADABLE = "%[WdsImgSrv] Error in enumerating images%"


def store_events(connection: Connection, events: Iterable[ServerEvent]) -> int:
    """Store what is not stored yet, in one transaction; how many rows were new.

    Raises:
        StoreError: the database does not take it.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        added = connection.executemany(_INSERT, (astuple(event) for event in events)).rowcount
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        connection.execute("ROLLBACK")
        raise StoreError(f"not stored: {exc}; check the collector's disk") from exc
    return added


def silent_machines(connection: Connection, since_s: float) -> list[dict[str, Any]]:
    """Machines the WDS server saw booting that sent no report, the latest first: how far each one came."""
    steps = connection.execute(
        f"SELECT * FROM server_event WHERE at_s>=? AND {_IS_STEP} ORDER BY ip, at_s",  # noqa: S608 - our own words
        (since_s,),
    ).fetchall()
    return _silent(connection, steps)


def silent_boots_of(connection: Connection, name: str) -> list[dict[str, Any]]:
    """The same rows of one MAC, or of one address of which no MAC is known."""
    steps = connection.execute(
        "SELECT * FROM server_event WHERE (mac=:who OR ip=:who OR ip IN "  # noqa: S608 - our own words
        f"(SELECT ip FROM server_event WHERE mac=:who AND ip<>'')) AND {_IS_STEP} ORDER BY ip, at_s",
        {"who": name},
    ).fetchall()
    return [row for row in _silent(connection, steps) if name == (row["mac"] or row["ip"])]


def events_about(connection: Connection, name: str, most: int) -> list[dict[str, Any]]:
    """What servers logged of a MAC or an address, the latest first, at most so many."""
    rows = connection.execute(
        "SELECT source, at_s, mac, ip, event, level, component, text, file, line FROM server_event "
        "WHERE mac=:who OR ip=:who ORDER BY at_s DESC, source, line LIMIT :most",
        {"who": name, "most": most},
    )
    return [dict(row) for row in rows]


def _silent(connection: Connection, steps: Sequence[Row]) -> list[dict[str, Any]]:
    rows = [_silence(mac, ip, events) for (mac, ip), events in _boots(_with_macs(steps))]
    silent = [row for row in rows if not _reported(connection, row)]
    return sorted(silent, key=lambda row: row["last_seen"], reverse=True)


def events_of(connection: Connection, report_id: str) -> list[dict[str, Any]]:
    """What the servers logged about a report's machine, by MAC or address, around its boot, in order of time."""
    rows = connection.execute(
        "SELECT e.source, e.at_s, e.mac, e.ip, e.event, e.level, e.component, e.text, e.file, e.line "
        "FROM report r JOIN server_event e ON e.at_s BETWEEN r.booted_at-? AND r.last_frame_at+? "
        "AND ((e.mac<>'' AND e.mac IN (SELECT value FROM machine_mark WHERE kind='mac' AND machine_id=r.machine_id)) "
        "OR (e.mac='' AND e.ip<>'' AND e.ip=r.address) OR (e.mac='' AND e.ip='' AND e.text LIKE ?)) "
        "WHERE r.report_id=? ORDER BY e.at_s, e.source, e.line LIMIT 500",
        (BEFORE_S, REPORT_WITHIN_S, _IMAGES_UNREADABLE, report_id),
    )
    return [dict(row) for row in rows]


def sentences(events: Sequence[dict[str, Any]]) -> list[str]:
    """What follows from the servers' events about one boot."""
    seen = {event["event"] for event in events if event["source"].startswith("wds-events")}
    wims = any(event["event"] == IMAGE_DONE and ".wim" in event["text"].lower() for event in events)
    said = []
    if wims and CLIENT_STARTED not in seen:
        said.append(_WORDS[IMAGE_DONE])
    if TRANSFER_FAILED in seen:
        said.append(_WORDS[TRANSFER_FAILED])
    unreadable = [e for e in events if "[WdsImgSrv] Error in enumerating images" in e["text"]]
    if unreadable and IMAGE_CHOSEN not in seen:
        said.append(f"the WDS server could not read its images at that time ({unreadable[0]['text']})")
    return said


def _with_macs(steps: Sequence[Row]) -> list[dict[str, Any]]:
    """TFTP events know an address only: the hardware address of the same address at that time is theirs too."""
    named = []
    for _, rows in groupby((dict(step) for step in steps), key=lambda step: step["ip"]):
        group = list(rows)
        known = [row for row in group if row["mac"] and row["ip"]]
        for row in group:
            near = [other for other in known if abs(other["at_s"] - row["at_s"]) <= REPORT_WITHIN_S]
            if not row["mac"] and near:
                row["mac"] = min(near, key=lambda other: abs(other["at_s"] - row["at_s"]))["mac"]
            named.append(row)
    return named


def _boots(steps: Sequence[dict[str, Any]]) -> Iterable[tuple[tuple[str, str], list[dict[str, Any]]]]:
    """Steps of one machine that follow each other: by MAC, and by address where nobody knows the MAC."""

    def who(step: dict[str, Any]) -> tuple[str, str]:
        return (step["mac"], "" if step["mac"] else step["ip"])

    for machine, rows in groupby(sorted(steps, key=lambda step: (who(step), step["at_s"])), key=who):
        boot: list[dict[str, Any]] = []
        for row in rows:
            if boot and (row["event"] == BOOTED or row["at_s"] - boot[-1]["at_s"] > REPORT_WITHIN_S):
                yield machine, boot
                boot = []
            boot.append(row)
        yield machine, boot


def _silence(mac: str, ip: str, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    seen = {event["event"] for event in events}
    furthest = next(step for step in (CLIENT_STARTED, IMAGE_DONE, TRANSFER_FAILED, BOOTED) if step in seen)
    address = next((event["ip"] for event in reversed(events) if event["ip"]), ip)
    return {
        "mac": mac,
        "ip": address,
        "booted": events[0]["at_s"],
        "last_seen": events[-1]["at_s"],
        "how_far": _WORDS[furthest],
        "events": " ".join(event["event"] for event in events),
    }


def _reported(connection: Connection, row: dict[str, Any]) -> bool:
    """Whether any report fits: of that MAC, or of that address where no MAC is known; and of that time."""
    found = connection.execute(
        "SELECT 1 FROM report r WHERE r.received_at BETWEEN :from_s AND :to_s AND ((:mac<>'' AND EXISTS (SELECT 1 FROM "
        "machine_mark m WHERE m.machine_id=r.machine_id AND m.kind='mac' AND m.value=:mac)) "
        "OR (:mac='' AND r.address=:ip)) LIMIT 1",
        row | {"from_s": row["booted"] - BEFORE_S, "to_s": row["last_seen"] + REPORT_WITHIN_S},
    )
    return found.fetchone() is not None
