"""One datagram, one answer: what did the server say, or why did nothing come?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.transport.passes import Answer, Talk
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.udp import open_udp

# What is asked for information only may not hold up a healthy machine, so it is asked once.
INFORMATION_S = 0.5
# A lost packet is no silence: what is not answered is asked again this often (RFC 1035 4.2.1: 2 to 5 s for resolvers,
# which have longer than a probe).
REPEAT_AFTER_S = 1.0
_MOST_AT_ONCE = 16

Value = TypeVar("Value")


def ask(
    endpoint: Endpoint, question: Callable[[], bytes], decode: Callable[[bytes], Value], deadline: Deadline
) -> tuple[Value, dict[str, FactValue]]:
    """Send a question, made anew each time, until an answer comes that `decode` accepts.

    With it come the facts of the exchange: `rtt_s` from the first time it was asked, `repeats` when there were more.

    Raises:
        PathFailure: filtered (nothing came), malformed (only something else came), or what `UdpSocket` meets.
    """
    started_at_s = deadline.clock_s()
    facts: dict[str, FactValue] = {"port": endpoint.port}
    refused: DecodeError | None = None
    with open_udp(endpoint.address) as sock:
        for patience in turns(deadline):
            sock.send(question(), endpoint)
            while (datagram := sock.receive(patience, endpoint)) is not None:
                if datagram.sender.address != endpoint.address:
                    continue
                try:
                    answer = decode(datagram.octets)
                except DecodeError as exc:
                    refused = exc
                    continue
                return answer, facts | exchange_facts(deadline.clock_s() - started_at_s)
    if refused is not None:
        raise PathFailure(Reason.MALFORMED, facts | {"detail": str(refused)})
    raise PathFailure(Reason.FILTERED, facts)


def turns(deadline: Deadline, every_s: float = REPEAT_AFTER_S) -> Iterator[Deadline]:
    """How long to listen each time a question was sent: the first time, and as often as there is time left."""
    while True:
        yield deadline.within(every_s)
        if not deadline.left_s():
            return


def exchange_facts(took_s: float) -> dict[str, FactValue]:
    """What an answer says of its path that came so long after the question was first sent."""
    facts: dict[str, FactValue] = {"rtt_s": round(took_s, 6)}
    return facts | ({"repeats": repeats} if (repeats := int(took_s / REPEAT_AFTER_S)) else {})


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
