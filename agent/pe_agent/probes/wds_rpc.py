"""Does the WDS RPC interface answer on its port, from connect to a whole call?

Setup's first call to the server goes this way, without authentication. Operation 0, the interface's only one, is never
called: some of its requests open log sessions or hand out credentials. A call of an operation that does not exist is
answered by the RPC runtime itself and proves the same path ([MS-WDSC] 2.1, [MS-RPCE] 2.2.2.4).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from pe_agent.codec.rpc import FAULT_OPERATION_RANGE, Fault, Response, Syntax
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.transport.connect import connect
from pe_agent.transport.passes import Answer, lost_a_handshake, observe, uncertain
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.rpc import RpcPeer, hex32

PROBE = "wds-rpc"
WDS_INTERFACE = Syntax(uuid.UUID("1a927394-352e-4553-ae3f-7cf4aafca620"), 1)
_NO_SUCH_OPERATION = 0x7FFF
# More than one Ethernet frame holds, so that a path which loses full frames is found out.
_LARGE_OCTETS, _SMALL_OCTETS = 3000, 8
# What a fault says of the server. Source: [C706] appendix E; impacket's server says 0x6e4 where Windows and Samba say
# nca_s_op_rng_error.
_FAULTS: dict[int, tuple[str, Outcome, Reason]] = {
    FAULT_OPERATION_RANGE: ("nca_s_op_rng_error", Outcome.OK, Reason.ANSWERED),
    0x000006E4: ("RPC_S_CANNOT_SUPPORT", Outcome.OK, Reason.ANSWERED),
    0x1C010003: ("nca_s_unk_if", Outcome.FAILED, Reason.NOT_REGISTERED),
    0x1C010014: ("nca_s_server_too_busy", Outcome.WARNING, Reason.NOT_KNOWN),
}


def run(context: Context) -> Iterator[Observation]:
    """One observation for each address of the target, on the port WDS is configured for."""
    if context.target is None:
        return
    port = context.target.rpc_port
    yield from _observe(context, [Endpoint(address, port) for address in context.target.addresses])


def run_named_port(context: Context) -> Iterator[Observation]:
    """The same on the port that the endpoint mapper named, where that is another one."""
    if context.target is None:
        return
    named = [_named_endpoint(o) for o in context.earlier if o.probe == "endpoint-mapper"]
    others = dict.fromkeys(endpoint for endpoint in named if endpoint and endpoint.port != context.target.rpc_port)
    yield from _observe(context, list(others))


def ask_wds(endpoint: Endpoint, deadline: Deadline, number: int) -> Answer:
    """Bind and call with a large request; the second time a small one goes first, to tell size from silence.

    Raises:
        PathFailure: whatever kept WDS from answering.
    """
    if number == 1:
        return _exchange(endpoint, deadline, _LARGE_OCTETS, one_syn=True)
    started_at_s = deadline.clock_s()
    small = _exchange(endpoint, deadline, _SMALL_OCTETS)
    needed_s, left_s = deadline.clock_s() - started_at_s, deadline.left_s()
    try:
        return _exchange(endpoint, deadline, _LARGE_OCTETS)
    except PathFailure as failure:
        if failure.reason not in {Reason.SILENT, Reason.FILTERED, Reason.TIMED_OUT}:
            raise
        if left_s < 2 * needed_s:
            # A path as slow as this one left no time to tell slow from lost.
            return Answer(small.outcome, small.reason, {**small.facts, "large_undecided": True})
        if failure.facts.get("bound") is not True:
            raise
        facts = {**small.facts, **failure.facts, "large_bytes": _LARGE_OCTETS, "small_bytes": _SMALL_OCTETS}
        lost = Answer(Outcome.FAILED, Reason.LARGE_DATA_LOST, facts)
        # A path that loses small packets too has no hole for large ones.
        loses_small = small.facts.get("retransmits") or lost_a_handshake(small.facts, failure.facts)
        return uncertain(lost, failure.reason) if loses_small else lost


def _exchange(endpoint: Endpoint, deadline: Deadline, octets: int, *, one_syn: bool = False) -> Answer:
    with connect(endpoint, deadline, one_syn=one_syn) as connection:
        peer = RpcPeer(connection)
        peer.bind(WDS_INTERFACE)
        try:
            answer = peer.call(_NO_SUCH_OPERATION, bytes(octets))
        except PathFailure as failure:
            raise PathFailure(failure.reason, {**failure.facts, "bound": True}) from failure
        return _judged(answer, peer.facts())


def _judged(answer: Response | Fault, facts: dict[str, FactValue]) -> Answer:
    """Only "no such operation" proves the interface: any other answer comes from something that is not as it should."""
    if not isinstance(answer, Fault):
        return Answer(Outcome.WARNING, Reason.NOT_KNOWN, facts | {"answered": type(answer).__name__})
    name, outcome, reason = _FAULTS.get(answer.status, ("", Outcome.WARNING, Reason.NOT_KNOWN))
    facts |= {"fault": hex32(answer.status)} | ({"fault_name": name} if name else {})
    return Answer(outcome, reason, facts)


def _observe(context: Context, endpoints: list[Endpoint]) -> Iterator[Observation]:
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    yield from observe(PROBE, endpoints, ask_wds, deadline, context.host)


def _named_endpoint(observation: Observation) -> Endpoint | None:
    asked, port = Endpoint.parse(observation.target), observation.facts.get("rpc_port")
    return Endpoint(asked.address, port) if asked and isinstance(port, int) else None
