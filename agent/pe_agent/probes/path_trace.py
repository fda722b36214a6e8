"""Which router is the last to pass packets towards a blocked port?

One first packet (SYN) for each hop limit goes to the blocked port and to a port of the same server that answers; the
routers where the limit runs out say so by ICMP. Where the two lists part, the packets are lost.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import selectors
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.transport import connect
from pe_agent.transport.icmp import Icmp, read_icmp
from pe_agent.transport.path import Deadline, Endpoint, PathFailure

PROBE = "path-trace"
MAX_HOPS = 16
# Long enough for the second SYN, which follows the first after a second.
_PATIENCE_S = 1.4
_MARGIN_S = 0.2
_PATH_PROBES = {"endpoint-mapper", "wds-rpc"}
_BLOCKED = {Reason.FILTERED, Reason.REJECTED}
# The target itself answered, whatever it said.
_REACHED = {
    Reason.ANSWERED,
    Reason.SILENT,
    Reason.RESET,
    Reason.TRUNCATED,
    Reason.NOT_RPC,
    Reason.NOT_REGISTERED,
    Reason.BIND_REJECTED,
    Reason.MALFORMED,
    Reason.ACCESS_DENIED,
    Reason.LARGE_DATA_LOST,
    Reason.NOT_KNOWN,
}
_UNKNOWN_HOP = "*"


@dataclass(frozen=True, slots=True)
class Hop:
    """What came back on one hop limit; `reached` the target itself, else perhaps an ICMP error."""

    limit: int
    icmp: Icmp | None = None
    reached: bool = False

    def text(self, endpoint: Endpoint) -> str:
        """The router's address, with `!` when it rejected the packet; the target's; `*` when nothing came."""
        if self.reached:
            return endpoint.address
        if self.icmp is None:
            return _UNKNOWN_HOP
        return self.icmp.sender + ("" if self.icmp.time_exceeded else "!")


def run(context: Context) -> Iterator[Observation]:
    """One observation for each blocked endpoint that was observed earlier; none when nothing is blocked."""
    asked = [(o, Endpoint.parse(o.target)) for o in context.earlier if o.probe in _PATH_PROBES]
    reached = {e.address: e for o, e in reversed(asked) if e and o.reason in _REACHED}
    blocked: dict[str, dict[Endpoint, None]] = {}
    for observation, endpoint in asked:
        if endpoint and observation.reason in _BLOCKED:
            blocked.setdefault(endpoint.address, {})[endpoint] = None
    if not blocked:
        return
    deadline = Deadline(context.clock_s, context.deadline_at_s - _MARGIN_S).within(_PATIENCE_S)

    def observed(address: str) -> list[Observation]:
        return _observed(list(blocked[address]), reached.get(address), deadline)

    with ThreadPoolExecutor(len(blocked)) as pool:
        for observations in pool.map(observed, blocked):
            yield from observations


def trace(endpoints: list[Endpoint], deadline: Deadline) -> dict[Endpoint, list[Hop]]:
    """The hops towards each endpoint, by hop limit from 1; all limits of all endpoints at the same time.

    Raises:
        PathFailure: this machine cannot send to an endpoint at all.
    """
    hops = {endpoint: [Hop(limit) for limit in range(1, MAX_HOPS + 1)] for endpoint in endpoints}
    with contextlib.ExitStack() as sockets, selectors.DefaultSelector() as selector:
        for limit, endpoint in itertools.product(range(1, MAX_HOPS + 1), endpoints):
            sock = sockets.enter_context(connect.open_socket(endpoint)[0])
            connect.limit_syns(sock)
            connect.limit_hops(sock, limit)
            failed = connect.start_connect(sock, endpoint)
            if failed is not None:
                raise failed
            selector.register(sock, selectors.EVENT_WRITE, (sock, endpoint, limit))
        while selector.get_map() and deadline.left_s():
            for key, _ in selector.select(deadline.left_s()):
                sock, endpoint, limit = key.data
                selector.unregister(sock)
                hops[endpoint][limit - 1] = _hop(sock, limit)
    return hops


def _hop(sock: socket.socket, limit: int) -> Hop:
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    icmp = read_icmp(sock)
    return Hop(limit, icmp, reached=icmp is None and number in {0, errno.ECONNREFUSED})


def _observed(blocked: list[Endpoint], open_endpoint: Endpoint | None, deadline: Deadline) -> list[Observation]:
    """The blocked ports of one address, traced together beside an open one."""
    started_at_s = deadline.clock_s()
    answers: list[tuple[Outcome, Reason, dict[str, FactValue]]]
    try:
        hops = trace([*blocked, *([open_endpoint] if open_endpoint else [])], deadline)
        answers = [_judged(hops, endpoint, open_endpoint) for endpoint in blocked]
    except PathFailure as failure:
        answers = [(Outcome.FAILED, failure.reason, dict(failure.facts))] * len(blocked)
    elapsed_s = deadline.clock_s() - started_at_s
    return [
        Observation(PROBE, str(endpoint), outcome, reason, started_at_s, elapsed_s, facts)
        for endpoint, (outcome, reason, facts) in zip(blocked, answers, strict=True)
    ]


def _judged(
    hops: dict[Endpoint, list[Hop]], endpoint: Endpoint, open_endpoint: Endpoint | None
) -> tuple[Outcome, Reason, dict[str, FactValue]]:
    facts = _hop_facts(hops, endpoint, open_endpoint)
    if any(hop.reached for hop in hops[endpoint]):
        return Outcome.OK, Reason.ANSWERED, facts
    return Outcome.WARNING, Reason.FILTERED if "last_hop" in facts else Reason.NOT_KNOWN, facts


def _hop_facts(
    hops: dict[Endpoint, list[Hop]], endpoint: Endpoint, open_endpoint: Endpoint | None
) -> dict[str, FactValue]:
    distance = next((hop.limit for hops_to in hops.values() for hop in hops_to if hop.reached), None)
    facts: dict[str, FactValue] = {"hops": _text(hops[endpoint], endpoint, distance)}
    routers = [hop.icmp.sender for hop in hops[endpoint] if hop.icmp and hop.icmp.time_exceeded]
    refusers = [hop.icmp.sender for hop in hops[endpoint] if hop.icmp and not hop.icmp.time_exceeded]
    if open_endpoint is not None:
        open_hops = _text(hops[open_endpoint], open_endpoint, distance)
        facts |= {"open_port": open_endpoint.port, "open_hops": open_hops}
    facts |= {} if distance is None else {"hop_count": distance}
    facts |= {"last_hop": routers[-1]} if routers else {}
    return facts | ({"rejected_by": refusers[0]} if refusers else {})


def _text(hops: list[Hop], endpoint: Endpoint, distance: int | None) -> str:
    """Hops up to the target, or, when its distance is not known, two beyond the last that answered."""
    answered = max((hop.limit for hop in hops if hop.icmp and hop.icmp.time_exceeded), default=0)
    return ",".join(hop.text(endpoint) for hop in hops[: distance or answered + 2])
