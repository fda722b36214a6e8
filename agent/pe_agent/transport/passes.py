"""Ask endpoints, and ask once more when nothing came back: one lost packet is not a filter.

The second pass follows at once, but for a port that a router may have rejected without a word (see `turns`).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pe_agent.host import Host
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.turns import Turns

FIRST_PASS_S = 1.5
SECOND_PASS_S = 4.0
_LEAST_S = 0.5
_WORTH_A_SECOND_PASS = {Reason.FILTERED, Reason.SILENT, Reason.TRUNCATED}
_WAYS_TO_BE_LOST = {Reason.FILTERED, Reason.SILENT, Reason.TRUNCATED, Reason.LARGE_DATA_LOST}
# The second pass has more time and asks more, so what was silence at first may have a better word then.
_SAME_STATE = {
    (Reason.SILENT, Reason.LARGE_DATA_LOST),
    (Reason.TRUNCATED, Reason.LARGE_DATA_LOST),
    (Reason.SILENT, Reason.TRUNCATED),
}
_SPOKEN_BY_ICMP = {Reason.REJECTED, Reason.UNREACHABLE}
_MOST_AT_ONCE = 64
# What only an open connection, which is TCP, measures of a peer that then says nothing.
_CONNECTED = "rtt_s"
# Facts of an exchange that went on after its first answer: a TFTP server's agreement.
_STEPS = ("granted_block_bytes",)
# Systems repeat a SYN after a second (RFC 6298 section 2).
_SYN_REPEATED_S = 0.9
_TURNS, _UDP_TURNS = Turns(), Turns()


@dataclass(frozen=True, slots=True)
class Answer:
    """How talking to an endpoint ended."""

    outcome: Outcome
    reason: Reason
    facts: Mapping[str, FactValue]


# Talks to an endpoint by a deadline, for the first or second time, and answers or raises PathFailure.
Talk = Callable[[Endpoint, Deadline, int], Answer]


def observe(
    probe: str, endpoints: Sequence[Endpoint], talk: Talk, deadline: Deadline, host: Host
) -> Iterator[Observation]:
    """One observation for each endpoint, asked at the same time, in the order given."""
    if not endpoints:
        return

    def observed(endpoint: Endpoint) -> Observation:
        started_at_s = deadline.clock_s()
        answer = _known_cause(ask(endpoint, talk, deadline), endpoint, host)
        elapsed_s = deadline.clock_s() - started_at_s
        return Observation(probe, str(endpoint), answer.outcome, answer.reason, started_at_s, elapsed_s, answer.facts)

    with ThreadPoolExecutor(min(len(endpoints), _MOST_AT_ONCE)) as pool:
        yield from pool.map(observed, endpoints)


def ask(endpoint: Endpoint, talk: Talk, deadline: Deadline) -> Answer:
    """Two passes at most; fact `pass` tells which of them gave the answer."""
    answer = _attempt(endpoint, talk, deadline.within(FIRST_PASS_S), 1)
    if answer.reason in _SPOKEN_BY_ICMP and "icmp_local" not in answer.facts:
        _TURNS.rejected(endpoint.address, deadline.clock_s())
    if answer.reason not in _WORTH_A_SECOND_PASS or deadline.left_s() <= _LEAST_S:
        return answer
    now_s, latest_s = deadline.clock_s(), deadline.at_s - _LEAST_S
    if answer.reason is Reason.FILTERED:
        time.sleep(_TURNS.take(endpoint.address, now_s, latest_s) - now_s)
    elif answer.reason is Reason.SILENT and _CONNECTED not in answer.facts:
        time.sleep(_UDP_TURNS.take_in_line(endpoint.address, now_s, latest_s) - now_s)
    return _weighed(answer, _attempt(endpoint, talk, deadline.within(SECOND_PASS_S), 2))


def _weighed(first: Answer, second: Answer) -> Answer:
    """Two silences that are not the same silence are loss on the way, and no rule that somebody made."""
    if not {first.reason, second.reason} <= _WAYS_TO_BE_LOST or (first.reason, second.reason) in _SAME_STATE:
        return second
    if first.reason is second.reason and not _one_lost_more(first.facts, second.facts):
        return second
    return uncertain(second, first.reason)


def _one_lost_more(first: Mapping[str, FactValue], second: Mapping[str, FactValue]) -> bool:
    """Whether one pass lost a handshake's packet that the other did not, or came further than the other."""
    came_further = any((mark in first) is not (mark in second) for mark in _STEPS)
    return came_further or lost_a_handshake(first, second) or first.get("bound") is not second.get("bound")


def lost_a_handshake(*exchanges: Mapping[str, FactValue]) -> bool:
    """Whether, of exchanges with one port, a packet was lost before any data: no rule about data or size does that."""
    times = [float(facts[_CONNECTED]) for facts in exchanges if _CONNECTED in facts]
    repeated_a_syn = len(times) > 1 and max(times) - min(times) >= _SYN_REPEATED_S
    return repeated_a_syn or any("lost_handshakes" in facts for facts in exchanges)


def uncertain(answer: Answer, other: Reason) -> Answer:
    """An answer that says no more than that packets get lost: what it was, and what it was before, are facts."""
    facts = {**answer.facts, "first_reason": str(other), "last_reason": str(answer.reason)}
    return Answer(Outcome.WARNING, Reason.UNCERTAIN, facts)


def _attempt(endpoint: Endpoint, talk: Talk, deadline: Deadline, number: int) -> Answer:
    try:
        answer = talk(endpoint, deadline, number)
    except PathFailure as failure:
        answer = Answer(Outcome.FAILED, failure.reason, failure.facts)
    return Answer(answer.outcome, answer.reason, {**answer.facts, "pass": number})


def _known_cause(answer: Answer, endpoint: Endpoint, host: Host) -> Answer:
    """No route because there is no address is the address's fault, not the router's."""
    if answer.reason is not Reason.NO_ROUTE or _has_address_for(endpoint, host):
        return answer
    return Answer(answer.outcome, Reason.NO_ADDRESS, answer.facts)


def _has_address_for(endpoint: Endpoint, host: Host) -> bool:
    wanted = ipaddress.ip_address(endpoint.address)
    usable = (a for adapter in host.adapters() for a in adapter.addresses if not (a.tentative or a.duplicate))
    mine = (ipaddress.ip_address(address.ip) for address in usable)
    return any(m.version == wanted.version and m.is_link_local <= wanted.is_link_local for m in mine)
