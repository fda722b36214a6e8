"""Which machine is this? Marks are weighed against those of known machines, because no mark is unique by itself."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection

# kind: points when a mark is shared, points when both sides have such marks and share none.
WEIGHTS = {"uuid": (2, -3), "serial": (2, -2), "mac": (2, -2)}
NAME = "name"
MOST_CANDIDATES = 64
MOST_MARK_LETTERS = 200
# Values that whole series of machines carry; compared in lower case.
JUNK_UUIDS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "11111111-2222-3333-4444-555555555555",
    }
)
JUNK_SERIALS = frozenset(
    {
        "",
        "0",
        "1",
        "123456789",
        "1234567890",
        "chassis serial number",
        "default string",
        "empty",
        "invalid",
        "n/a",
        "na",
        "none",
        "not applicable",
        "not available",
        "not specified",
        "o.e.m.",
        "oem",
        "serial number",
        "sys-1234567890",
        "system serial number",
        "to be filled by o.e.m.",
        "unknown",
        "xxxxxxxxxx",
    }
)
JUNK_MACS = frozenset({"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})

_MACHINE = (
    "INSERT INTO machine VALUES (?,?,?,?,?,?,?) ON CONFLICT (machine_id) DO UPDATE SET "
    "smbios_uuid=excluded.smbios_uuid, serial=excluded.serial, manufacturer=excluded.manufacturer, "
    "model=excluded.model, last_seen=excluded.last_seen"
)
_MARK = "INSERT INTO machine_mark VALUES (?,?,?) ON CONFLICT DO NOTHING"

Marks = Mapping[str, frozenset[str]]


class Told(NamedTuple):
    """What a report says of its machine, and when it came."""

    identity: pb.Identity
    report_id: str
    at_s: float


def marks_of(identity: pb.Identity) -> dict[str, frozenset[str]]:
    """The marks worth weighing, by kind; a kind without any is left out."""
    uuid = identity.smbios_uuid.strip().lower()
    serial = " ".join(identity.serial.split()).lower()
    macs = {mac.strip().lower().replace("-", ":") for mac in identity.macs}
    possible = {
        "uuid": {uuid} - JUNK_UUIDS,
        "serial": {serial} - JUNK_SERIALS if serial.strip("0 .-") else set(),
        "mac": macs - JUNK_MACS,
    }
    kept = {kind: frozenset(v[:MOST_MARK_LETTERS] for v in values if v) for kind, values in possible.items()}
    return {kind: values for kind, values in kept.items() if values}


def score(marks: Marks, known: Marks) -> int:
    """Points for being the same machine: above 0 means yes."""
    points = 0
    for kind, (shared, disjoint) in WEIGHTS.items():
        ours, theirs = marks.get(kind), known.get(kind)
        if ours and theirs:
            points += shared if ours & theirs else disjoint
    return points


def machine_id_of(marks: Marks, otherwise: str) -> str:
    """A short name made from the marks; from `otherwise` when there are none."""
    told = "\n".join(f"{kind}={value}" for kind, value in _pairs(marks)) or otherwise
    return base64.b32encode(hashlib.sha256(told.encode()).digest())[:10].decode().lower()


def resolve_machines(connection: Connection, told: Iterable[Told]) -> list[str]:
    """The known machine that each one's marks fit best, or a new one; marks and clashes are noted, in this order.

    A report without a single usable mark is a machine of its own.
    """
    each = [(one, marks_of(one.identity)) for one in told]
    known = _known_pairs(connection, [marks for _, marks in each])
    machine_ids: list[str] = []
    new: list[tuple[str, Told, Marks]] = []
    for one, marks in each:
        pairs = _pairs(marks)
        if known.isdisjoint(pairs):
            # Nobody has any of these marks, so there is nobody to be compared with and nothing to clash.
            machine_id = machine_id_of(marks, one.report_id)
            new.append((machine_id, one, marks))
        else:
            _note_new(connection, new)
            new = []
            machine_id = _best_known(connection, marks) or machine_id_of(marks, one.report_id)
            _note_machine(connection, machine_id, one.identity, one.at_s)
        known.update(pairs)
        machine_ids.append(machine_id)
    _note_new(connection, new)
    return machine_ids


def _known_pairs(connection: Connection, all_marks: Iterable[Marks]) -> set[tuple[str, str]]:
    """Those kinds and values that some machine has."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for marks in all_marks:
        for kind, those in marks.items():
            values[kind] |= those
    found: set[tuple[str, str]] = set()
    for kind, wanted in values.items():
        question = "SELECT value FROM machine_mark WHERE kind=? AND value IN (SELECT value FROM json_each(?))"
        found.update((kind, row[0]) for row in connection.execute(question, (kind, json.dumps(sorted(wanted)))))
        # A list in JSON may lose it on the way: it is looked up by itself.
        found.update((kind, value) for value in wanted if "\0" in value)
    return found


def _note_new(connection: Connection, new: Sequence[tuple[str, Told, Marks]]) -> None:
    """Machines whose marks nobody has yet."""
    if not new:
        return
    connection.executemany(_MACHINE, [_machine_row(machine_id, one.identity, one.at_s) for machine_id, one, _ in new])
    marks = [(kind, value, machine_id) for machine_id, _, marks in new for kind, value in _pairs(marks)]
    connection.executemany(_MARK, marks)
    for machine_id, one, _ in new:
        _note_name(connection, machine_id, one.identity.computer_name)


def _machine_row(machine_id: str, identity: pb.Identity, now_s: float) -> tuple[str | float, ...]:
    named = identity.smbios_uuid, identity.serial, identity.manufacturer, identity.model
    return machine_id, *named, now_s, now_s


def _note_machine(connection: Connection, machine_id: str, identity: pb.Identity, now_s: float) -> None:
    connection.execute(_MACHINE, _machine_row(machine_id, identity, now_s))
    for kind, value in _pairs(marks_of(identity)):
        _note_mark(connection, (kind, value, machine_id), now_s)
    _note_name(connection, machine_id, identity.computer_name)


def _note_name(connection: Connection, machine_id: str, name: str) -> None:
    """The latest computer name, to be found by. It says nothing of who is who: Windows PE makes one up each boot."""
    known = name.strip().lower()[:MOST_MARK_LETTERS]
    if known:
        connection.execute(
            "DELETE FROM machine_mark WHERE machine_id=? AND kind=? AND value<>?", (machine_id, NAME, known)
        )
        connection.execute(_MARK, (NAME, known, machine_id))


def remake_machine(connection: Connection, machine_id: str, told: Sequence[tuple[pb.Identity, float]]) -> None:
    """What is known of a machine by these identities and when they came, oldest first; without any it is forgotten."""
    for table in ("machine", "machine_mark", "clash"):
        # The names are those above.
        connection.execute(f"DELETE FROM {table} WHERE machine_id=?", (machine_id,))  # noqa: S608
    connection.execute(
        "DELETE FROM clash WHERE "
        "(SELECT count(*) FROM machine_mark m WHERE m.kind=clash.kind AND m.value=clash.value)<2"
    )
    for identity, at_s in told:
        _note_machine(connection, machine_id, identity, at_s)


def _best_known(connection: Connection, marks: Marks) -> str | None:
    candidates: set[str] = set()
    for pair in _pairs(marks):
        rows = connection.execute(
            "SELECT machine_id FROM machine_mark WHERE kind=? AND value=? ORDER BY machine_id LIMIT ?",
            (*pair, MOST_CANDIDATES),
        )
        candidates.update(row["machine_id"] for row in rows)
    scored = [(score(marks, _known_marks(connection, machine_id)), machine_id) for machine_id in sorted(candidates)]
    points, best = max(scored, key=lambda pair: pair[0], default=(0, ""))
    return best if points > 0 else None


def _known_marks(connection: Connection, machine_id: str) -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in connection.execute("SELECT kind, value FROM machine_mark WHERE machine_id=?", (machine_id,)):
        found[row["kind"]].add(row["value"])
    return {kind: frozenset(values) for kind, values in found.items()}


def _note_mark(connection: Connection, mark: tuple[str, str, str], now_s: float) -> None:
    kind, value, _ = mark
    added = connection.execute(_MARK, mark).rowcount
    if added:
        connection.execute(
            "INSERT INTO clash SELECT kind, value, machine_id, ? FROM machine_mark WHERE kind=? AND value=? "
            "AND (SELECT count(*) FROM machine_mark WHERE kind=? AND value=?) > 1 ON CONFLICT DO NOTHING",
            (now_s, kind, value, kind, value),
        )


def _pairs(marks: Marks) -> Iterable[tuple[str, str]]:
    return sorted((kind, value) for kind, values in marks.items() for value in values)
