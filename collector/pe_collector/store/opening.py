"""What happens when a report begins: it gets a row, a machine and a boot, or goes on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass

from pe_agent.model import receipt_code
from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection
from pe_collector.identity import marks_of, resolve_machine
from pe_collector.refusal import Reason, Refused
from pe_collector.store.common_facts import COLUMNS, attribute_columns
from pe_collector.store.rows import finite

SAME_BOOT_S = 60.0
# A carried report is older than this only if its machine's clock was wrong.
MOST_CARRIED_S = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A hello that passed all checks. `token_id` is empty and `peer` a file name when it was carried here."""

    hello: pb.Hello
    peer: str
    token_id: str
    received_at: float
    carried: bool = False

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
        Refused: the report was begun under another token or by another machine, or is in quarantine.
    """
    _use_token(connection, arrived)
    row = connection.execute(
        "SELECT token_id, stored_through, stored_octets, complete FROM report WHERE report_id=?", (arrived.report_id,)
    ).fetchone()
    waiting = (arrived.report_id, arrived.received_at)
    connection.execute("INSERT INTO log_waiting VALUES (?,?) ON CONFLICT DO NOTHING", waiting)
    if row is None:
        _refuse_hidden(connection, arrived)
        _create(connection, arrived)
        return Opened(0, 0, complete=False)
    # A carried report has no token: the machine it came from may go on with it.
    if arrived.token_id and row["token_id"] not in _tokens_of(connection, arrived.token_id):
        raise Refused(Reason.FOREIGN_REPORT, "this report was begun under another token; start a new report")
    _refuse_other_machine(connection, arrived)
    return Opened(row["stored_through"], row["stored_octets"], bool(row["complete"]))


def _tokens_of(connection: Connection, token_id: str) -> set[str]:
    """The tokens whose reports this one may go on with: its own, and of a leaf those it had before it was rotated."""
    rows = connection.execute(
        "SELECT other.token_id FROM token own JOIN token other ON other.name=own.name AND other.role=own.role "
        "WHERE own.token_id=? AND own.role='leaf'",
        (token_id,),
    )
    return {"", token_id, *(row[0] for row in rows)}


def _refuse_hidden(connection: Connection, arrived: Arrived) -> None:
    if connection.execute("SELECT 1 FROM hidden_report WHERE report_id=?", (arrived.report_id,)).fetchone():
        raise Refused(Reason.QUARANTINED, "this report is in quarantine; start a new report")


def _refuse_other_machine(connection: Connection, arrived: Arrived) -> None:
    """A machine may lose and gain marks between two streams; one that shares none is another."""
    question = "SELECT octets FROM frame WHERE report_id=? AND sequence=0"
    row = connection.execute(question, (arrived.report_id,)).fetchone()
    if row is None:
        return
    before = marks_of(pb.Frame.FromString(row[0]).hello.identity)
    now = marks_of(arrived.hello.identity)
    if before and now and not any(before[kind] & now.get(kind, frozenset()) for kind in before):
        raise Refused(Reason.FOREIGN_REPORT, "this report was begun by another machine; start a new report")


def _use_token(connection: Connection, arrived: Arrived) -> None:
    connection.execute(
        "UPDATE token SET last_used=?, last_peer=? WHERE token_id=?",
        (arrived.received_at, arrived.peer, arrived.token_id),
    )


def _create(connection: Connection, arrived: Arrived) -> None:
    hello, report_id = arrived.hello, arrived.report_id
    machine_id = resolve_machine(connection, hello.identity, report_id, arrived.received_at)
    booted_at = _booted_at(arrived)
    values = {
        "report_id": report_id,
        "code": receipt_code(hello.report_id),
        "machine_id": machine_id,
        "boot_key": _boot_key(connection, machine_id, hello.boot, booted_at),
        "received_at": arrived.received_at,
        "last_frame_at": arrived.received_at,
        "peer": arrived.peer,
        "token_id": arrived.token_id,
        "carried": arrived.carried,
        "protocol": hello.protocol,
        "agent_version": hello.agent_version,
        "trigger": hello.trigger,
        "boot_id": hello.boot.boot_id,
        "image_build": hello.boot.image_build,
        "image_name": hello.boot.image_name,
        "os_version": hello.boot.os_version,
        "booted_at": booted_at,
        "agent_wall_ms": hello.clock.wall_ms or None,
        "agent_uptime_s": finite(hello.clock.uptime_s),
        "utc_offset_min": hello.clock.utc_offset_min,
        "clock_skew_s": _skew_s(arrived),
        **dict(zip(COLUMNS, attribute_columns(hello, ()), strict=True)),
    }
    # The newest report of a boot speaks for it.
    connection.execute("UPDATE report SET speaks=0 WHERE boot_key=?", (values["boot_key"],))
    # The names are those of the table above, none comes from outside.
    columns, marks = ",".join(values), ",".join("?" * len(values))
    connection.execute(f"INSERT INTO report ({columns}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
    frame = pb.Frame(sequence=0, hello=hello)
    frame.hello.ClearField("token")
    frame.hello.ClearField("session")
    connection.execute("INSERT INTO frame VALUES (?,0,'hello',?)", (report_id, frame.SerializeToString()))


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


def _boot_key(connection: Connection, machine_id: str, boot: pb.Boot, booted_at: float) -> str:
    """Reports of one machine, one image and one boot share this key; it is made from the first of them."""
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
    return str(row["boot_key"]) if row else f"{machine_id}-{booted_at:.0f}-{boot.image_build[:32]}"
