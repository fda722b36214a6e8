"""Which addresses stand behind a name, by the system's DNS servers and by the system itself, whoever is first?

The system alone may wait for a dead DNS server longer than a probe has time: five seconds for each on Linux.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

from pe_agent.codec import dns
from pe_agent.host import Adapter
from pe_agent.observed import FactValue
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.question import ask

PORT = 53
# A question is sent again once, after this long.
_REPEAT_AFTER_S = 1.0
_MOST_SERVERS = 4
_Way = Callable[[], tuple[str, ...]]


def name_servers(adapters: Sequence[Adapter]) -> tuple[str, ...]:
    """The system's DNS servers, or those of the lease where the system has none, as they stand there."""
    known = [server for a in adapters for server in a.dns_servers]
    leased = [server for a in adapters if a.lease for server in a.lease.dns_servers]
    return tuple(dict.fromkeys(known or leased))


def suffixes(adapters: Sequence[Adapter]) -> tuple[str, ...]:
    """The search suffixes of the adapters, else DHCP option 15."""
    said = [a.dns_suffix for a in adapters] + [a.lease.domain_name for a in adapters if a.lease]
    return tuple(dict.fromkeys(suffix for suffix in said if dns.is_name(suffix)))


def forms(name: str, searched: Sequence[str]) -> tuple[str, ...]:
    """The names to ask for, the likeliest first: one without a dot with each suffix, then as it stands."""
    return (name,) if "." in name.rstrip(".") else (*(f"{name}.{suffix}" for suffix in searched), name)


def ask_addresses(endpoint: Endpoint, deadline: Deadline, name: str) -> tuple[dns.DnsAnswer, dict[str, FactValue]]:
    """Ask one server for the IPv4 addresses, then, when there are none, for the IPv6 ones.

    Raises:
        PathFailure: whatever kept the server from answering.
    """
    for kind in (dns.A, dns.AAAA):
        transaction = int.from_bytes(os.urandom(2), "big")
        query = dns.encode_query(dns.Question(name, kind), transaction)
        answer, facts = ask(
            endpoint, partial(bytes, query), partial(dns.decode_answer, transaction=transaction), deadline
        )
        if answer.addresses or answer.rcode:
            break
    return answer, facts


def look_up(name: str, adapters: Sequence[Adapter], deadline: Deadline) -> tuple[str, ...]:
    """The addresses of the first that has some; empty when nobody has any, or nobody answered by the deadline."""
    asked = forms(name, suffixes(adapters))
    ways: list[_Way] = [partial(_by_system, name)]
    ways += [partial(_by_server, Endpoint(s, PORT), asked, deadline) for s in name_servers(adapters)[:_MOST_SERVERS]]
    found: queue.SimpleQueue[tuple[str, ...]] = queue.SimpleQueue()
    for way in ways:
        threading.Thread(target=lambda way=way: found.put(way()), name="look-up", daemon=True).start()
    for _ in ways:
        try:
            addresses = found.get(timeout=deadline.left_s())
        except queue.Empty:
            return ()
        if addresses:
            return addresses
    return ()


def _by_system(name: str) -> tuple[str, ...]:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _by_server(endpoint: Endpoint, asked: Sequence[str], deadline: Deadline) -> tuple[str, ...]:
    for patience in (deadline.within(_REPEAT_AFTER_S), deadline):
        try:
            for name in asked:
                answer, _ = ask_addresses(endpoint, patience, name)
                if answer.addresses:
                    return answer.addresses
        except (PathFailure, ValueError, OSError):
            continue
        return ()
    return ()
