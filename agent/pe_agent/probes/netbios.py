"""What do the old NetBIOS ports (UDP 137 and 138, TCP 139) say? For information: no deployment needs them any more.

They stand in many port lists for WDS, so people ask; SMB itself goes over TCP 445 (see smb.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from pe_agent.codec import netbios
from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.transport.connect import connect
from pe_agent.transport.passes import Answer
from pe_agent.transport.path import Deadline, Endpoint
from pe_agent.transport.question import ask, observe_once

PROBE = "netbios"
NAME_PORT, DATAGRAM_PORT, SESSION_PORT = 137, 138, 139
_ANY_FILE_SERVER, _OUR_NAME = "*SMBSERVER", "PE-AGENT"


def run(context: Context) -> Iterator[Observation]:
    """One observation for each port of each IPv4 address of the target (NetBIOS knows no IPv6)."""
    if context.target is None:
        return
    addresses = [address for address in context.target.addresses if ":" not in address]
    endpoints = [Endpoint(address, port) for address in addresses for port in _TALKS]
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    yield from observe_once(PROBE, endpoints, _ask_port, deadline)


def ask_names(endpoint: Endpoint, deadline: Deadline) -> Answer:
    """Ask UDP 137 for the node's names.

    Raises:
        PathFailure: whatever kept the node from answering.
    """
    transaction = int.from_bytes(os.urandom(2), "big")
    decode = partial(netbios.decode_node_status, transaction=transaction)
    status, facts = ask(endpoint, partial(netbios.encode_node_status, transaction), decode, deadline)
    facts["names"] = ",".join(dict.fromkeys(name.name for name in status.names))
    return Answer(Outcome.OK, Reason.ANSWERED, facts | ({"mac": status.mac} if status.mac else {}))


def ask_datagrams(endpoint: Endpoint, deadline: Deadline) -> Answer:
    """Send UDP 138 a question that only a NetBIOS datagram distribution server answers; a refusal tells more.

    Raises:
        PathFailure: refused or rejected, or filtered where nothing says anything (which is usual).
    """
    question = netbios.encode_datagram_query(int.from_bytes(os.urandom(2), "big"), _ANY_FILE_SERVER)
    _, facts = ask(endpoint, partial(bytes, question), bytes, deadline)
    return Answer(Outcome.OK, Reason.ANSWERED, facts)


def ask_session(endpoint: Endpoint, deadline: Deadline) -> Answer:
    """Ask TCP 139 for a session with the file server, and hang up.

    Raises:
        PathFailure: whatever kept the session service from answering.
    """
    with connect(endpoint, deadline, one_syn=True) as connection:
        connection.send(netbios.encode_session_request(_ANY_FILE_SERVER, _OUR_NAME))
        octets = connection.receive()
        try:
            answer = netbios.decode_session_answer(octets)
        except DecodeError as exc:
            raise connection.failure(Reason.MALFORMED, {"detail": str(exc)}) from exc
        facts: dict[str, FactValue] = connection.facts() | {"granted": answer.granted}
        error = {} if answer.error is None else {"session_error": answer.error}
        return Answer(Outcome.OK, Reason.ANSWERED, facts | error)


_TALKS: dict[int, Callable[[Endpoint, Deadline], Answer]] = {
    NAME_PORT: ask_names,
    DATAGRAM_PORT: ask_datagrams,
    SESSION_PORT: ask_session,
}


def _ask_port(endpoint: Endpoint, deadline: Deadline, number: int) -> Answer:  # noqa: ARG001 - there is one pass
    return _TALKS[endpoint.port](endpoint, deadline)
