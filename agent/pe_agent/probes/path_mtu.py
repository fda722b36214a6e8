"""Do full-sized packets reach the server and come back, and if not, where is the narrow link?

Up: what the RPC connection carried proves it. Where that says nothing, a packet that must not be fragmented, as large
as Ethernet carries, beside a small one. A router that says "too big" names itself and the size; one that keeps silent
makes a hole, seen as a large packet lost where small ones arrive.
Down: what other probes met when the server sent them much (TFTP blocks, RPC answers).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.transport.mtu import DIRECTION, ETHERNET_MTU, NARROW_PACKETS, SMALL_PACKET, Fate, Sent, send_packet
from pe_agent.transport.passes import Answer
from pe_agent.transport.path import Deadline, Endpoint, PathFailure

PROBE = "path-mtu"
# One that says nothing at all must not hold up a healthy machine; a line is waited for that others have found slower.
_ANSWER_S = 0.4
_ROUND_TRIPS = 2
# Linux tells of an unreachable port once a second when it is asked often (icmp_ratelimit).
_PAUSE_S = 1.1
# A line that loses one packet in three would look like a hole after two in 1 of 16 cases, after three in 1 of 60.
_SURE_AFTER = 3
# Probes whose large packets come down from the server, and those whose large packets go up to it.
_DIRECTIONS = {"tftp": "down", "wds-rpc": "up"}


def run(context: Context) -> Iterator[Observation]:
    """One observation for each address of the target, one after the other: their routers count ICMP together."""
    addresses = context.target.addresses if context.target else ()
    carried = _carried_by_rpc(context)
    for address in addresses:
        started_at_s = context.clock_s()
        if address in carried:
            answer = Answer(Outcome.OK, Reason.ANSWERED, carried[address])
        else:
            answer = _measured(address, _patience_s(context, address), Deadline(context.clock_s, context.deadline_at_s))
        elapsed_s = context.clock_s() - started_at_s
        facts = {"server": address, **answer.facts}
        yield Observation(PROBE, address, answer.outcome, answer.reason, started_at_s, elapsed_s, facts)


def run_hints(context: Context) -> Iterator[Observation]:
    """One observation for each earlier answer that lost large packets only."""
    for earlier in context.earlier:
        direction = _DIRECTIONS.get(earlier.probe)
        if direction is None or earlier.reason is not Reason.LARGE_DATA_LOST:
            continue
        sizes = {name: value for name, value in earlier.facts.items() if name.endswith("_bytes")}
        facts: dict[str, FactValue] = {"direction": direction, "seen_by": earlier.probe, **sizes}
        at_s = context.clock_s()
        yield Observation(PROBE, earlier.target, Outcome.WARNING, Reason.LARGE_DATA_LOST, at_s, 0.0, facts)


def _carried_by_rpc(context: Context) -> dict[str, dict[str, FactValue]]:
    """Addresses whose WDS port answered a call that went up in packets as large as Ethernet carries.

    This is proof that costs no packet, and none of the few ICMP errors that a server sends in a second.
    """
    found: dict[str, dict[str, FactValue]] = {}
    for earlier in context.earlier:
        endpoint = Endpoint.parse(earlier.target)
        octets = earlier.facts.get("packet_bytes")
        if earlier.probe != "wds-rpc" or earlier.reason is not Reason.ANSWERED or endpoint is None:
            continue
        if isinstance(octets, int) and octets >= ETHERNET_MTU and "large_undecided" not in earlier.facts:
            found[endpoint.address] = {"direction": "up", "mtu_bytes": ETHERNET_MTU, "seen_by": earlier.probe}
    return found


def _patience_s(context: Context, address: str) -> float:
    """How long an answer may take: twice as long as the quickest that another probe had from this address."""
    same = (o for o in context.earlier if (e := Endpoint.parse(o.target)) and e.address == address)
    took = [rtt_s for o in same if isinstance(rtt_s := o.facts.get("rtt_s"), float)]
    return max(_ANSWER_S, _ROUND_TRIPS * min(took, default=0.0))


def _measured(address: str, patience_s: float, deadline: Deadline) -> Answer:
    try:
        return _measure(address, patience_s, deadline)
    except PathFailure as failure:
        return Answer(Outcome.SKIPPED, failure.reason, failure.facts)


def _measure(address: str, patience_s: float, deadline: Deadline) -> Answer:
    """Large and small in turn, until the large one arrived or was refused, or the small one alone arrived each time.

    Raises:
        PathFailure: somebody refuses small packets too.
    """
    facts: dict[str, FactValue] = {"direction": DIRECTION, "large_bytes": ETHERNET_MTU, "small_bytes": SMALL_PACKET}
    for number in range(_SURE_AFTER):
        if number:
            if deadline.left_s() <= _PAUSE_S + patience_s:
                return Answer(Outcome.SKIPPED, Reason.TIMED_OUT, facts)
            time.sleep(_PAUSE_S)
        large = send_packet(address, ETHERNET_MTU, deadline.within(patience_s))
        if large.fate is not Fate.LOST:
            return _judged(large, facts | _passing_size(address, large, patience_s, deadline))
        if send_packet(address, SMALL_PACKET, deadline.within(patience_s)).fate is not Fate.ARRIVED:
            return Answer(Outcome.SKIPPED, Reason.NOT_KNOWN, facts)
    return Answer(Outcome.FAILED, Reason.LARGE_DATA_LOST, facts)


def _judged(large: Sent, facts: dict[str, FactValue]) -> Answer:
    if large.fate is Fate.ARRIVED:
        return Answer(Outcome.OK, Reason.ANSWERED, facts | {"mtu_bytes": ETHERNET_MTU})
    told = large.icmp.facts("") if large.icmp else {"local": True}
    return Answer(Outcome.WARNING, Reason.MTU_TOO_SMALL, facts | told)


def _passing_size(address: str, large: Sent, patience_s: float, deadline: Deadline) -> dict[str, FactValue]:
    """`mtu_bytes` of the narrow link as its router tells it, else the largest usual size that passes.

    Raises:
        PathFailure: as `send_packet`.
    """
    if large.fate is Fate.ARRIVED:
        return {}
    if large.icmp and large.icmp.mtu:
        return {"mtu_bytes": large.icmp.mtu}
    for octets in NARROW_PACKETS:
        if send_packet(address, octets, deadline.within(patience_s)).fate is Fate.ARRIVED:
            return {"mtu_bytes": octets}
    return {}
