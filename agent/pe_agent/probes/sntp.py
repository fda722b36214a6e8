"""How far is this machine's clock from those of the server, the DHCP server's time servers and the gateway?

Kerberos refuses a clock that is more than five minutes off; a dead battery makes it years. Few deployment servers and
gateways serve time, so only a time server that DHCP names is missed when it does not answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pe_agent.codec import sntp
from pe_agent.errors import DecodeError
from pe_agent.observed import Observation, Outcome
from pe_agent.probes.contract import Context, judged_skew
from pe_agent.transport.passes import Answer, observe
from pe_agent.transport.path import Deadline, Endpoint
from pe_agent.transport.question import ask, observe_once

PROBE = "sntp"


def run(context: Context) -> Iterator[Observation]:
    """One observation a server; `skew_s` is this clock minus the server's."""
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    adapters = [adapter for adapter in context.host.adapters() if adapter.link_up]
    named = dict.fromkeys(ip for a in adapters if a.lease for ip in a.lease.time_servers)
    others = dict.fromkeys(
        (*(context.target.addresses if context.target else ()), *(g for a in adapters for g in a.gateways))
    )

    def talk(endpoint: Endpoint, by: Deadline, number: int) -> Answer:  # noqa: ARG001 - each pass asks the same
        return ask_time(endpoint, by, lambda: context.host.clock().wall_ms / 1000)

    for observation in observe(PROBE, _endpoints(named), talk, deadline, context.host):
        failed = observation.outcome is Outcome.FAILED
        yield replace(observation, outcome=Outcome.WARNING) if failed else observation
    yield from observe_once(PROBE, _endpoints(ip for ip in others if ip not in named), talk, deadline)


def ask_time(endpoint: Endpoint, deadline: Deadline, wall_s: Callable[[], float]) -> Answer:
    """One SNTP exchange; `wall_s` is the clock that is judged, Unix time. Each question has a time stamp of its own.

    Raises:
        PathFailure: whatever kept the server from answering.
    """
    sent: list[float] = []

    def question() -> bytes:
        sent.append(wall_s())
        return sntp.encode_request(sent[-1])

    def decode(octets: bytes) -> sntp.TimeAnswer:
        now_s = wall_s()
        for sent_s in sent[:-1]:
            # An answer to an earlier question, which came late.
            with contextlib.suppress(DecodeError):
                return sntp.decode_answer(octets, sent_s, now_s)
        return sntp.decode_answer(octets, sent[-1], now_s)

    answer, facts = ask(endpoint, question, decode, deadline)
    facts |= {"server": endpoint.address, "stratum": answer.stratum, "synchronised": answer.synchronised}
    if not answer.synchronised:
        return Answer(*judged_skew(None), facts | ({"refused": answer.refused} if answer.refused else {}))
    facts |= {"skew_s": round(-answer.offset_s, 3), "delay_s": round(answer.delay_s, 3)}
    return Answer(*judged_skew(-answer.offset_s), facts)


def _endpoints(addresses: Iterable[str]) -> list[Endpoint]:
    return [Endpoint(address, sntp.PORT) for address in addresses]
