"""What happens when a report begins: it gets a row, a machine and a boot, or goes on where it stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pe_agent.model import receipt_code
from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection, Row
from pe_collector.identity import Told, marks_of, resolve_machines
from pe_collector.refusal import Reason, Refused
from pe_collector.store.common_facts import COLUMNS, attribute_columns
from pe_collector.store.rates import mark, mark_boots
from pe_collector.store.rows import finite
from pe_collector.store.waiting import grown

SAME_BOOT_S = 60.0
# A carried report is older than this only if its machine's clock was wrong.
MOST_CARRIED_S = 400 * 86400.0
_COLUMNS = (
    *("report_id", "code", "machine_id", "boot_key"),
    *("received_at", "last_frame_at", "peer", "token_id", "carried"),
    *("protocol", "agent_version", "trigger"),
    *("boot_id", "image_build", "image_name", "os_version", "booted_at"),
    *("agent_wall_ms", "agent_uptime_s", "utc_offset_min", "clock_skew_s"),
    *COLUMNS,
)
_THROUGH = (
    "INSERT INTO forwarded VALUES (?,?,?,?) ON CONFLICT (report_id) DO UPDATE SET "
    "token_id=excluded.token_id, peer=excluded.peer, arrived_at=excluded.arrived_at"
)
_INSERT = f"INSERT INTO report ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - ours
# The newest report of a boot speaks for it.
_SILENCE = "UPDATE report SET speaks=0 WHERE boot_key IN (SELECT value FROM json_each(?))"


class Through(NamedTuple):
    """The leaf that passed a report on: its address, and when it did."""

    peer: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """A hello that passed all checks. `token_id` is empty and `peer` a file name when it was carried here.

    `octets` come with it, which may not take the report above `most_octets`; `through`: the leaf that passed it on.
    """

    hello: pb.Hello
    peer: str
    token_id: str
    received_at: float
    carried: bool = False
    octets: int = 0
    most_octets: int | None = None
    through: Through | None = None

    @property
    def report_id(self) -> str:
        """32 hexadecimal digits."""
        return self.hello.report_id.hex()


@dataclass(frozen=True, slots=True)
class Opened:
    """Where a report goes on."""

    stored_through: int
    stored_octets: int
    complete: bool


def open_report(connection: Connection, arrived: Arrived) -> Opened:
    """Make the report's row, or find it.

    Raises:
        Refused: the report was begun under another token or by another machine, is in quarantine, or has too much.
    """
    answer = open_reports(connection, [arrived])[0]
    if isinstance(answer, Refused):
        raise answer
    return answer


def open_reports(connection: Connection, arrivals: Sequence[Arrived]) -> list[Opened | Refused]:
    """Make the rows of reports, or find them, in order; each gets an answer of its own."""
    if not arrivals:
        return []
    known = _look_up(connection, arrivals)
    new: dict[str, Arrived] = {}
    coming: Counter[str] = Counter()
    answers: list[Opened | Refused] = []
    for arrived in arrivals:
        answer = _answer(connection, arrived, known, new)
        if isinstance(answer, Opened):
            answer = _with_room(arrived, answer, coming[arrived.report_id])
        if isinstance(answer, Opened):
            coming[arrived.report_id] += arrived.octets
        elif new.get(arrived.report_id) is arrived:
            del new[arrived.report_id]
        answers.append(answer)
    taken = [arrived for arrived, answer in zip(arrivals, answers, strict=True) if isinstance(answer, Opened)]
    _create_all(connection, list(new.values()))
    _use_tokens(connection, taken)
    connection.executemany(
        "INSERT INTO log_waiting VALUES (?,?) ON CONFLICT DO NOTHING",
        [(arrived.report_id, arrived.received_at) for arrived in taken],
    )
    # Of two parcels of one report the last counts, as if they had come one after the other.
    passed = {a.report_id: (a.report_id, a.token_id, *a.through) for a in taken if a.through is not None}
    connection.executemany(_THROUGH, list(passed.values()))
    return answers


class _Known(NamedTuple):
    """Rows of reports that are there, and ids of those in quarantine."""

    rows: Mapping[str, Row]
    hidden: frozenset[str]


def _look_up(connection: Connection, arrivals: Sequence[Arrived]) -> _Known:
    wanted = (json.dumps([arrived.report_id for arrived in arrivals]),)
    rows = connection.execute(
        "SELECT report_id, token_id, stored_through, stored_octets, complete FROM json_each(?) "
        "CROSS JOIN report ON report_id=value",
        wanted,
    ).fetchall()
    hidden = connection.execute(
        "SELECT report_id FROM hidden_report WHERE report_id IN (SELECT value FROM json_each(?))", wanted
    )
    return _Known({row["report_id"]: row for row in rows}, frozenset(row[0] for row in hidden))


def _answer(connection: Connection, arrived: Arrived, known: _Known, new: dict[str, Arrived]) -> Opened | Refused:
    """What `arrived` hears; where its report has no row it is added to `new`."""
    report_id = arrived.report_id
    try:
        if (before := new.get(report_id)) is not None:
            _refuse_foreign(connection, arrived, before.token_id, before.hello.identity)
        elif (row := known.rows.get(report_id)) is not None:
            _refuse_foreign(connection, arrived, row["token_id"], _first_identity(connection, report_id))
            return Opened(row["stored_through"], row["stored_octets"], bool(row["complete"]))
        elif report_id in known.hidden:
            return Refused(Reason.QUARANTINED, "this report is in quarantine; start a new report")
        else:
            new[report_id] = arrived
    except Refused as exc:
        return exc
    return Opened(0, 0, complete=False)


def _with_room(arrived: Arrived, opened: Opened, coming: int) -> Opened | Refused:
    """The answer, as far as the report has room for what comes with this one after `coming` octets in this commit."""
    if arrived.most_octets is not None and opened.stored_octets + coming + arrived.octets > arrived.most_octets:
        return Refused(Reason.TOO_MUCH, "this report has more octets than a report may have")
    return opened


def _first_identity(connection: Connection, report_id: str) -> pb.Identity | None:
    row = connection.execute("SELECT octets FROM frame WHERE report_id=? AND sequence=0", (report_id,)).fetchone()
    return pb.Frame.FromString(row[0]).hello.identity if row else None


def _refuse_foreign(connection: Connection, arrived: Arrived, token_id: str, identity: pb.Identity | None) -> None:
    # A carried report has no token: the machine it came from may go on with it.
    if arrived.token_id and token_id not in ("", arrived.token_id) and not _is_rotated(connection, arrived, token_id):
        raise Refused(Reason.FOREIGN_REPORT, "this report was begun under another token; start a new report")
    if identity is None:
        return
    # A machine may lose and gain marks between two streams; one that shares none is another.
    before, now = marks_of(identity), marks_of(arrived.hello.identity)
    if before and now and not any(before[kind] & now.get(kind, frozenset()) for kind in before):
        raise Refused(Reason.FOREIGN_REPORT, "this report was begun by another machine; start a new report")


def _is_rotated(connection: Connection, arrived: Arrived, before: str) -> bool:
    """Whether both are tokens of one leaf: it goes on with what it sent before its token was rotated."""
    asked = (
        "SELECT 1 FROM token own JOIN token other ON other.name=own.name AND other.role=own.role "
        "WHERE own.token_id=? AND other.token_id=? AND own.role='leaf'"
    )
    return connection.execute(asked, (arrived.token_id, before)).fetchone() is not None


def _use_tokens(connection: Connection, taken: Sequence[Arrived]) -> None:
    """Each token was used last by the last that came."""
    last = {a.token_id: (*(a.through or (a.peer, a.received_at))[::-1], a.token_id) for a in taken}
    connection.executemany("UPDATE token SET last_used=?, last_peer=? WHERE token_id=?", list(last.values()))


def _create_all(connection: Connection, new: Sequence[Arrived]) -> None:
    """Rows of reports that are not there, the later ones in the light of the earlier ones."""
    if not new:
        return
    told = [Told(arrived.hello.identity, arrived.report_id, arrived.received_at) for arrived in new]
    machine_ids = resolve_machines(connection, told)
    with_reports = {
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT machine_id FROM json_each(?) CROSS JOIN report ON machine_id=value",
            (json.dumps(machine_ids),),
        )
    }
    # Of each machine one at a time, for a machine's boots are looked for among the rows that are there.
    rows: dict[str, tuple[Any, ...]] = {}
    known_boots: list[str] = []
    for arrived, machine_id in zip(new, machine_ids, strict=True):
        if machine_id in rows:
            _insert(connection, rows.values(), known_boots)
            rows, known_boots = {}, []
        booted_at = _booted_at(arrived)
        boot_key = _new_boot_key(machine_id, arrived.hello.boot, booted_at)
        if machine_id in with_reports:
            boot_key = _boot_key(connection, machine_id, arrived.hello.boot, booted_at) or boot_key
            known_boots.append(boot_key)
        with_reports.add(machine_id)
        rows[machine_id] = _row(arrived, machine_id, boot_key, booted_at)
    _insert(connection, rows.values(), known_boots)
    hellos = [(arrived.report_id, _kept(arrived.hello)) for arrived in new]
    connection.executemany("INSERT INTO frame VALUES (?,0,'hello',?)", hellos)
    mark(connection, [arrived.received_at for arrived in new])
    grown(connection, {report_id: len(octets) for report_id, octets in hellos})


def _insert(connection: Connection, rows: Iterable[tuple[Any, ...]], boot_keys: Sequence[str]) -> None:
    """Rows of reports, which speak for their boots from now on; `boot_keys`: those that others may speak for."""
    if boot_keys:
        mark_boots(connection, boot_keys)
        connection.execute(_SILENCE, (json.dumps(boot_keys),))
    connection.executemany(_INSERT, rows)


def _kept(hello: pb.Hello) -> bytes:
    frame = pb.Frame(sequence=0, hello=hello)
    frame.hello.ClearField("token")
    frame.hello.ClearField("session")
    return frame.SerializeToString()


def _row(arrived: Arrived, machine_id: str, boot_key: str, booted_at: float) -> tuple[Any, ...]:
    """The values of _COLUMNS."""
    hello = arrived.hello
    boot, clock = hello.boot, hello.clock
    return (
        *(arrived.report_id, receipt_code(hello.report_id), machine_id, boot_key),
        *(arrived.received_at, arrived.received_at, arrived.peer, arrived.token_id, arrived.carried),
        *(hello.protocol, hello.agent_version, hello.trigger),
        *(boot.boot_id, boot.image_build, boot.image_name, boot.os_version, booted_at),
        *(clock.wall_ms or None, finite(clock.uptime_s), clock.utc_offset_min, _skew_s(arrived)),
        *attribute_columns(hello, ()),
    )


def _booted_at(arrived: Arrived) -> float:
    """When the machine started, on the collector's clock; for a carried report as its own clock tells, if it can be."""
    uptime_s = max(0.0, finite(arrived.hello.clock.uptime_s) or 0.0)
    if not arrived.carried:
        return arrived.received_at - uptime_s
    claimed = arrived.hello.clock.wall_ms / 1000 - uptime_s
    plausible = arrived.received_at - MOST_CARRIED_S < claimed <= arrived.received_at
    return claimed if plausible else arrived.received_at


def _skew_s(arrived: Arrived) -> float | None:
    if arrived.carried or not arrived.hello.clock.wall_ms:
        return None
    return arrived.hello.clock.wall_ms / 1000 - arrived.received_at


def _new_boot_key(machine_id: str, boot: pb.Boot, booted_at: float) -> str:
    """Reports of one machine, one image and one boot share this key; it is made from the first of them."""
    return f"{machine_id}-{booted_at:.0f}-{boot.image_build[:32]}"


def _boot_key(connection: Connection, machine_id: str, boot: pb.Boot, booted_at: float) -> str | None:
    """The key of a boot that has a report already."""
    row = connection.execute(
        "SELECT boot_key FROM report WHERE machine_id=? AND image_build=? AND booted_at BETWEEN ? AND ? "
        "AND (boot_id='' OR ?='' OR boot_id=?) ORDER BY abs(booted_at-?), report_id LIMIT 1",
        (
            machine_id,
            boot.image_build,
            booted_at - SAME_BOOT_S,
            booted_at + SAME_BOOT_S,
            boot.boot_id,
            boot.boot_id,
            booted_at,
        ),
    ).fetchone()
    return str(row["boot_key"]) if row else None
