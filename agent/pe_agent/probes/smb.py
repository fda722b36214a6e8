"""Does SMB answer on TCP 445: in which dialect, with which signing, and what does the server's clock say?

Setup reads the image to install from the server's share. Only the first packet of SMB2 is sent, NEGOTIATE; there is
no session, no user and no share ([MS-SMB2] 2.2.3).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

from pe_agent.codec import smb2
from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context, judged_skew
from pe_agent.transport.connect import Connection, connect
from pe_agent.transport.passes import Answer, observe
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.rpc import hex32

PROBE = "smb"
PORT = 445


def run(context: Context) -> Iterator[Observation]:
    """One observation for each address of the target; `skew_s` is this clock minus the server's."""
    if context.target is None:
        return

    def ask(endpoint: Endpoint, deadline: Deadline, number: int) -> Answer:
        return ask_smb(endpoint, deadline, lambda: context.host.clock().wall_ms / 1000, one_syn=number == 1)

    endpoints = [Endpoint(address, PORT) for address in context.target.addresses]
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    for observation, endpoint in zip(observe(PROBE, endpoints, ask, deadline, context.host), endpoints, strict=True):
        yield replace(observation, facts={"server": endpoint.address, **observation.facts})


def ask_smb(endpoint: Endpoint, deadline: Deadline, wall_s: Callable[[], float], *, one_syn: bool = False) -> Answer:
    """Connect and negotiate.

    Raises:
        PathFailure: whatever kept SMB from answering.
    """
    with connect(endpoint, deadline, one_syn=one_syn) as connection:
        connection.send(smb2.encode_negotiate(uuid.uuid4()))
        negotiated = _negotiated(connection, _message(connection))
        return _judged(negotiated, connection.facts(), wall_s())


def _message(connection: Connection) -> bytes:
    """The first message back, without its transport header."""
    waiting = b""
    needed = 4
    while len(waiting) < needed:
        waiting += _more(connection, waiting)
        if not smb2.speaks_smb(waiting):
            raise connection.failure(Reason.NOT_SMB, {"first_octets": waiting[:8].hex()})
        if len(waiting) >= 4:
            needed = 4 + _length(connection, waiting[:4])
    return waiting[4:needed]


def _more(connection: Connection, waiting: bytes) -> bytes:
    try:
        octets = connection.receive()
    except PathFailure as exc:
        if waiting and exc.reason is Reason.SILENT:
            raise connection.failure(Reason.TRUNCATED) from exc
        raise
    if not octets:
        raise connection.failure(Reason.TRUNCATED if waiting else Reason.RESET, {"closed_by_peer": True})
    return octets


def _length(connection: Connection, head: bytes) -> int:
    try:
        return smb2.message_octets(head)
    except DecodeError as exc:
        raise connection.failure(Reason.MALFORMED, {"detail": str(exc)}) from exc


def _negotiated(connection: Connection, message: bytes) -> smb2.Negotiated:
    try:
        return smb2.decode_negotiate(message)
    except DecodeError as exc:
        raise connection.failure(Reason.MALFORMED, {"detail": str(exc)}) from exc


def _judged(answer: smb2.Negotiated, facts: dict[str, FactValue], now_s: float) -> Answer:
    if answer.status:
        return Answer(Outcome.FAILED, Reason.NOT_SUPPORTED, facts | {"status": hex32(answer.status)})
    facts |= {
        "dialect": answer.dialect_text,
        "signing_required": answer.signing_required,
        "server_guid": answer.server_guid,
    }
    skew_s = None
    if answer.server_time_s is not None:
        rtt_s = facts.get("rtt_s")
        way_s = rtt_s / 2 if isinstance(rtt_s, float) else 0.0
        skew_s = now_s - way_s - answer.server_time_s
        facts["skew_s"] = round(skew_s, 3)
    return Answer(*judged_skew(skew_s), facts)
