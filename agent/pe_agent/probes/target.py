"""Which server should deploy this machine, and how do we know?

Asked in this order: what the user typed, the network boot's own record, the DHCP lease, agent.toml. The first
that says anything is the target; the others stand beside it as facts, because a difference is a finding.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from pe_agent.model import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context, Target, Wanted

PROBE = "target"


def run(context: Context) -> Iterator[Observation]:
    """One answer: the server's name, its addresses and who named it."""
    started_at_s = context.clock_s()
    named = named_servers(context)
    if not named:
        elapsed_s = context.clock_s() - started_at_s
        yield Observation(PROBE, "", Outcome.WARNING, Reason.NO_TARGET, started_at_s, elapsed_s)
        return
    source, name = named[0]
    addresses = resolve(name)
    facts: dict[str, FactValue] = {"server": name, "source": source, "rpc_port": context.wanted.rpc_port}
    facts |= {f"server_by_{other}": value for other, value in named[1:]}
    if addresses:
        facts["server_address"] = addresses[0]
        facts["server_addresses"] = ",".join(addresses)
    outcome, reason = (Outcome.OK, Reason.ANSWERED) if addresses else (Outcome.FAILED, Reason.UNRESOLVED)
    yield Observation(PROBE, name, outcome, reason, started_at_s, context.clock_s() - started_at_s, facts)


def named_servers(context: Context) -> list[tuple[str, str]]:
    """(source, name) of everyone who names a deployment server, the one to believe first."""
    wanted: Wanted = context.wanted
    record = context.host.boot_record()
    leases = [a.lease for a in context.host.adapters() if a.lease is not None and a.link_up]
    found = [
        ("option", wanted.server),
        ("boot_record", (record.server_address or record.server_name) if record else ""),
        *(("dhcp", lease.boot_server) for lease in leases),
        ("config", wanted.configured_server),
    ]
    return [(source, name) for source, name in found if name]


def resolve(name: str) -> tuple[str, ...]:
    """The addresses behind a name, each once, in the resolver's order; empty when it has none."""
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        pass
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def target_of(observations: tuple[Observation, ...]) -> Target | None:
    """The target that an earlier answer of this probe named; None when there is none to reach."""
    for observation in observations:
        if observation.probe == PROBE and observation.reason is Reason.ANSWERED:
            facts = observation.facts
            return Target(
                name=str(facts["server"]),
                addresses=tuple(str(facts["server_addresses"]).split(",")),
                source=str(facts["source"]),
                rpc_port=int(facts["rpc_port"]),
            )
    return None
