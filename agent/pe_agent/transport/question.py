"""One datagram, one answer: what did the server say, or why did nothing come?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pe_agent.errors import DecodeError
from pe_agent.model import FactValue, Observation, Outcome, Reason
from pe_agent.transport.passes import Answer, Talk
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.udp import open_udp

# What is asked for information only may not hold up a healthy machine.
INFORMATION_S = 0.5
_MOST_AT_ONCE = 16

Value = TypeVar("Value")


def ask(
    endpoint: Endpoint, question: bytes, decode: Callable[[bytes], Value], deadline: Deadline
) -> tuple[Value, dict[str, FactValue]]:
    """Send a question and wait for the answer that `decode` accepts; with it come the facts of the exchange.

    Raises:
        PathFailure: filtered (nothing came), malformed (only something else came), or what `UdpSocket` meets.
    """
    started_at_s = deadline.clock_s()
    facts: dict[str, FactValue] = {"port": endpoint.port}
    refused: DecodeError | None = None
    with open_udp(endpoint.address) as sock:
        sock.send(question, endpoint)
        while (datagram := sock.receive(deadline, endpoint)) is not None:
            if datagram.sender.address != endpoint.address:
                continue
            try:
                answer = decode(datagram.octets)
            except DecodeError as exc:
                refused = exc
                continue
            return answer, facts | {"rtt_s": round(deadline.clock_s() - started_at_s, 6)}
    if refused is not None:
        raise PathFailure(Reason.MALFORMED, facts | {"detail": str(refused)})
    raise PathFailure(Reason.FILTERED, facts)


def observe_once(probe: str, endpoints: Sequence[Endpoint], talk: Talk, deadline: Deadline) -> Iterator[Observation]:
    """Ask each endpoint once and shortly, for information: what does not answer is skipped, with its reason."""

    def observed(endpoint: Endpoint) -> Observation:
        started_at_s = deadline.clock_s()
        try:
            answer = talk(endpoint, deadline.within(INFORMATION_S), 1)
        except PathFailure as failure:
            answer = Answer(Outcome.SKIPPED, failure.reason, failure.facts)
        elapsed_s = deadline.clock_s() - started_at_s
        return Observation(probe, str(endpoint), answer.outcome, answer.reason, started_at_s, elapsed_s, answer.facts)

    if endpoints:
        with ThreadPoolExecutor(min(len(endpoints), _MOST_AT_ONCE)) as pool:
            yield from pool.map(observed, endpoints)
