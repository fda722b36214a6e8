"""Does the endpoint mapper on TCP 135 answer, and on which port does it say WDS listens?

An answer here beside silence on the WDS port tells a blocked path from a stopped service.
"""

from __future__ import annotations

from collections.abc import Iterator

from pe_agent.codec import epm
from pe_agent.codec.rpc import FAULT_ACCESS_DENIED, Fault
from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import ENDPOINT_MAPPER_PORT, Context
from pe_agent.probes.wds_rpc import WDS_INTERFACE
from pe_agent.transport.connect import connect
from pe_agent.transport.passes import Answer, observe
from pe_agent.transport.path import Deadline, Endpoint
from pe_agent.transport.rpc import RpcPeer, hex32

PROBE = "endpoint-mapper"
_STATUS_MEANS = {epm.NOT_REGISTERED: Reason.NOT_REGISTERED, FAULT_ACCESS_DENIED: Reason.ACCESS_DENIED}


def run(context: Context) -> Iterator[Observation]:
    """One observation for each address of the target; fact `rpc_port` where the mapper names one."""
    if context.target is None:
        return
    endpoints = [Endpoint(address, ENDPOINT_MAPPER_PORT) for address in context.target.addresses]
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    yield from observe(PROBE, endpoints, ask_mapper, deadline, context.host)


def ask_mapper(endpoint: Endpoint, deadline: Deadline, number: int) -> Answer:
    """Bind to the mapper and ask ept_map for the WDS interface.

    Raises:
        PathFailure: whatever kept the mapper from answering.
    """
    with connect(endpoint, deadline, one_syn=number == 1) as connection:
        peer = RpcPeer(connection)
        peer.bind(epm.EPM)
        answer = peer.call(epm.OPERATION_MAP, epm.encode_map_request(WDS_INTERFACE))
        if isinstance(answer, Fault):
            return Answer(Outcome.WARNING, Reason.NOT_KNOWN, peer.facts() | {"fault": hex32(answer.status)})
        try:
            reply = epm.decode_map_reply(answer.stub, ">" if answer.big_endian else "<")
        except DecodeError as exc:
            raise peer.failure(Reason.MALFORMED, {"detail": str(exc)}) from exc
        return _judged(reply, peer.facts())


def _judged(reply: epm.MapReply, facts: dict[str, FactValue]) -> Answer:
    facts |= {"status": hex32(reply.status)}
    if reply.status:
        reason = _STATUS_MEANS.get(reply.status)
        if reason is None:
            return Answer(Outcome.WARNING, Reason.NOT_KNOWN, facts)
        return Answer(Outcome.FAILED, reason, facts)
    ours = [t for t in reply.towers if t.interface.uuid == WDS_INTERFACE.uuid and t.tcp_port]
    if not ours or ours[0].tcp_port is None:
        return Answer(Outcome.FAILED, Reason.NOT_REGISTERED, facts)
    facts |= {"rpc_port": ours[0].tcp_port}
    return Answer(Outcome.OK, Reason.ANSWERED, facts | ({"rpc_address": ours[0].address} if ours[0].address else {}))
