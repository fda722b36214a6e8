"""Does each DNS server know the deployment server's name, and does the name lead where the server is?

A name is asked for with the search suffix (of the adapter, else DHCP option 15) and, when it has no dot, as it stands.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pe_agent.codec import dns
from pe_agent.host import Adapter
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.probes.target import named_servers
from pe_agent.transport import names
from pe_agent.transport.passes import Answer, observe
from pe_agent.transport.path import Deadline, Endpoint

PROBE = "dns"
_NXDOMAIN, _REFUSED = 3, 5
_REASONS = {0: Reason.NO_SUCH_NAME, _NXDOMAIN: Reason.NO_SUCH_NAME, _REFUSED: Reason.NAME_REFUSED}


@dataclass(frozen=True, slots=True)
class Wish:
    """A name, the suffixes to try with it, and the addresses it should have (empty: nobody says)."""

    name: str
    suffixes: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()

    def questions(self) -> tuple[str, ...]:
        """The names to ask for, the likeliest first."""
        return names.forms(self.name, self.suffixes)


def run(context: Context) -> Iterator[Observation]:
    """One observation for each DNS server and name; skipped when the deployment server is known by address only."""
    adapters = tuple(a for a in context.host.adapters() if a.link_up)
    wishes = wished(context, adapters)
    servers = [server for server in names.name_servers(adapters) if _is_address(server)]
    started_at_s = context.clock_s()
    if not wishes:
        yield Observation(PROBE, "", Outcome.SKIPPED, Reason.NOT_NEEDED, started_at_s)
    elif not servers:
        facts = {"name": wishes[0].name}
        yield Observation(PROBE, "", Outcome.WARNING, Reason.NO_NAME_SERVER, started_at_s, 0.0, facts)
    else:
        endpoints = [Endpoint(server, names.PORT) for server in servers]
        for wish in wishes:
            yield from _observe(context, endpoints, wish)


def wished(context: Context, adapters: tuple[Adapter, ...]) -> tuple[Wish, ...]:
    """The server's names from every source, with the addresses that other sources give for it."""
    record = context.host.boot_record()
    said = [name for _, name in named_servers(context)]
    said += [record.server_name, record.server_address] if record else []
    said += [a.lease.next_server for a in adapters if a.lease]
    wanted = [name for name in dict.fromkeys(said) if dns.is_name(name) and not _is_address(name)]
    expected = tuple(dict.fromkeys(name for name in said if _is_address(name)))
    searched = names.suffixes(adapters)
    return tuple(Wish(name, searched, expected) for name in wanted)


def ask_name(endpoint: Endpoint, deadline: Deadline, wish: Wish) -> Answer:
    """Ask one server until a form of the name has an address; fact `rcode` is that of the likeliest form.

    Raises:
        PathFailure: whatever kept the server from answering.
    """
    facts: dict[str, FactValue] = {}
    rcodes: list[int] = []
    for question in wish.questions():
        answer, exchange = names.ask_addresses(endpoint, deadline, question)
        rcodes.append(answer.rcode)
        facts |= exchange
        if answer.addresses:
            facts |= {"asked": question, "rcode": answer.rcode_text}
            return _found(answer, wish, facts | _earlier(rcodes[:-1]))
    facts |= {"asked": wish.questions()[0], "rcode": dns.rcode_text(rcodes[0])}
    return Answer(Outcome.FAILED, _REASONS.get(rcodes[0], Reason.NAME_SERVER_FAILED), facts)


def _earlier(rcodes: list[int]) -> dict[str, FactValue]:
    return {"rcode_with_suffix": dns.rcode_text(rcodes[0])} if rcodes else {}


def _found(answer: dns.DnsAnswer, wish: Wish, facts: dict[str, FactValue]) -> Answer:
    facts |= {"addresses": ",".join(answer.addresses)}
    if wish.expected:
        facts["expected"] = ",".join(wish.expected)
    if wish.expected and not set(answer.addresses) & set(wish.expected):
        return Answer(Outcome.WARNING, Reason.STALE_NAME, facts)
    return Answer(Outcome.OK, Reason.ANSWERED, facts)


def _observe(context: Context, endpoints: list[Endpoint], wish: Wish) -> Iterator[Observation]:
    def talk(endpoint: Endpoint, deadline: Deadline, number: int) -> Answer:  # noqa: ARG001 - each pass asks the same
        return ask_name(endpoint, deadline, wish)

    deadline = Deadline(context.clock_s, context.deadline_at_s)
    for observation, endpoint in zip(observe(PROBE, endpoints, talk, deadline, context.host), endpoints, strict=True):
        facts = {"name": wish.name, "name_server": endpoint.address, **observation.facts}
        yield _weighed(replace(observation, facts=facts), context)


def _weighed(observation: Observation, context: Context) -> Observation:
    """A name that does not resolve stops nothing when another source has led to the server."""
    if observation.outcome is Outcome.FAILED and context.target is not None:
        return replace(observation, outcome=Outcome.WARNING)
    return observation


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
