"""Which server should deploy this machine, and how do we know?

Asked in this order: what the user typed, the network boot's own record, the DHCP lease, agent.toml. The first
that says anything is the target; the others stand beside it as facts, because a difference is a finding. Where nobody
says anything, DHCP and boot servers are asked what they offer to a machine that boots over the network.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator

from pe_agent.codec import dhcp, pxe
from pe_agent.errors import DecodeError
from pe_agent.host import BootRecord
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context, Target, Wanted
from pe_agent.probes.pxe import asking_clients
from pe_agent.transport.dhcp import QUIET_S, Asker, gather_offers
from pe_agent.transport.names import look_up
from pe_agent.transport.path import Deadline, PathFailure

PROBE = "target"
RESOLVE_S = 3.0
_MOST_ADAPTERS = 4


def run(context: Context) -> Iterator[Observation]:
    """One answer: the server's name, its addresses and who named it."""
    started_at_s = context.clock_s()
    named = named_servers(context) or offered_servers(context)
    if not named:
        elapsed_s = context.clock_s() - started_at_s
        yield Observation(PROBE, "", Outcome.WARNING, Reason.NO_TARGET, started_at_s, elapsed_s)
        return
    source, name = named[0]
    addresses = resolve(name, context)
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
        *(("boot_record", name) for name in _in_record(record)),
        *(("dhcp", lease.boot_server) for lease in leases),
        ("config", wanted.configured_server),
    ]
    return [(source, name) for source, name in found if name]


def _in_record(record: BootRecord | None) -> Iterator[str]:
    """What `wpeutil UpdateBootInfo` made of the kept packets; without that the boot server's reply, then the ACK."""
    if record is None:
        return
    if record.server_address or record.server_name:
        yield record.server_address or record.server_name
        return
    with contextlib.suppress(DecodeError):
        reply = dhcp.decode_message(record.boot_reply)
        yield reply.boot_server or reply.address(dhcp.SERVER_IDENTIFIER)
    with contextlib.suppress(DecodeError):
        yield dhcp.decode_message(record.dhcp_ack).boot_server


def offered_servers(context: Context) -> list[tuple[str, str]]:
    """The same of those who offer a boot program to a broadcast, boot servers before DHCP servers."""
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    for client in asking_clients(context.host)[:_MOST_ADAPTERS]:
        try:
            hearing = gather_offers(Asker(client), (), deadline, QUIET_S)
        except PathFailure:
            # The probe `dhcp` asks the same way and says what keeps it from asking.
            continue
        offers = sorted((heard for heard in hearing.heard), key=lambda h: not _is_boot_server(h.offer))
        names = [h.offer.boot_server or h.server for h in offers if _is_boot_server(h.offer) or h.offer.boot_file]
        if names:
            return [("offer", name) for name in dict.fromkeys(names)]
    return []


def _is_boot_server(offer: dhcp.DhcpMessage) -> bool:
    return offer.text(dhcp.VENDOR_CLASS).startswith(pxe.VENDOR_CLASS)


def resolve(name: str, context: Context) -> tuple[str, ...]:
    """The addresses behind a name, each once; empty when it has none, or nobody tells within `RESOLVE_S`."""
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        pass
    adapters = tuple(a for a in context.host.adapters() if a.link_up)
    deadline = Deadline(context.clock_s, context.deadline_at_s).within(RESOLVE_S)
    return look_up(name, adapters, deadline)


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
