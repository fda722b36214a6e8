"""Does the boot server answer on UDP 4011, and which boot program does it name for this machine?

The request asks for no address and takes none. An answer is strong evidence; silence is weak, because a WDS server may
ignore machines it does not know. # Not verified on WDS: that it answers a request from an ephemeral port.
"""

from __future__ import annotations

import ipaddress
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pe_agent.codec import dhcp, pxe
from pe_agent.codec.dhcp import DhcpMessage
from pe_agent.errors import DecodeError
from pe_agent.host import Adapter, Host
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.transport.dhcp import Asker, ask_one
from pe_agent.transport.passes import Answer, observe
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.question import exchange_facts, turns
from pe_agent.transport.udp import open_udp

PROBE = "pxe"
_PATIENCE_S = 2.0
_LONGEST_TEXT = 300


def run(context: Context) -> Iterator[Observation]:
    """One observation for each IPv4 address of the target."""
    if context.target is None:
        return
    addresses = [a for a in context.target.addresses if ":" not in a]
    if not addresses:
        yield _skipped(context, Reason.NOT_SUPPORTED, "PXE over IPv6 is not asked for")
        return
    yield from _observe(context, addresses)


def run_offering(context: Context) -> Iterator[Observation]:
    """The same for every DHCP server whose offer says PXEClient: such an offer sends firmware to its port 4011.

    `option-60-wrong` where nobody listens there: firmware then ends with PXE-E55.
    """
    offered = [o.facts for o in context.earlier if o.probe == "dhcp"]
    offering = {str(f["server_id"]) for f in offered if str(f.get("class60", "")).startswith(pxe.VENDOR_CLASS)}
    asked = [o for o in context.earlier if o.probe == PROBE]
    settled = {e.address for o in asked if o.reason is not Reason.REFUSED and (e := Endpoint.parse(o.target))}
    for observation in _observe(context, sorted(offering - settled)):
        if observation.reason is Reason.REFUSED:
            yield replace(observation, outcome=Outcome.WARNING, reason=Reason.OPTION_60_WRONG)
        else:
            yield observation


def run_relayed(context: Context) -> Iterator[Observation]:
    """Ask a boot server that is silent on UDP 4011 on UDP 67, where relays pass DISCOVERs of firmware on to it.

    For information: a server that has left that port to a DHCP server beside it stays silent there.
    """
    clients = asking_clients(context.host)
    silent = [o.target for o in context.earlier if o.probe == PROBE and o.reason is Reason.SILENT]
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    for address in [e.address for target in silent if (e := Endpoint.parse(target))][: 1 if clients else 0]:
        started_at_s = context.clock_s()
        answer = _ask_relayed(clients[0], address, deadline.within(_PATIENCE_S))
        elapsed_s = context.clock_s() - started_at_s
        target = str(Endpoint(address, pxe.DHCP_SERVER_PORT))
        yield Observation(PROBE, target, answer.outcome, answer.reason, started_at_s, elapsed_s, answer.facts)


def _ask_relayed(client: pxe.Client, address: str, deadline: Deadline) -> Answer:
    facts: dict[str, FactValue] = {"port": pxe.DHCP_SERVER_PORT, "server": address}
    try:
        hearing = ask_one(Asker(client), address, deadline)
    except PathFailure as failure:
        return Answer(Outcome.SKIPPED, failure.reason, {**facts, **failure.facts})
    if hearing.heard:
        first = hearing.heard[0]
        facts |= boot_facts(first.offer)
        facts |= {"server_id": first.server, "rtt_s": round(first.after_s, 6)}
        return Answer(Outcome.OK, Reason.ANSWERED, facts)
    reason = Reason(str(hearing.icmp.get("unicast_reason", Reason.SILENT)))
    return Answer(Outcome.SKIPPED, reason, facts | hearing.icmp)


def asking_clients(host: Host) -> tuple[pxe.Client, ...]:
    """The machine as a PXE client, once for each adapter that has link and a usable IPv4 address."""
    architecture = asked_architecture(host)
    mark = machine_uuid(host)
    pairs = [(adapter, _usable_address(adapter)) for adapter in host.adapters() if adapter.link_up]
    return tuple(pxe.Client(adapter.mac, ip, mark, architecture) for adapter, ip in pairs if adapter.mac and ip)


def clients_without_address(host: Host) -> tuple[tuple[pxe.Client, Adapter], ...]:
    """The same for each adapter that has link and no usable IPv4 address."""
    architecture = asked_architecture(host)
    mark = machine_uuid(host)
    return tuple(
        (pxe.Client(adapter.mac, "", mark, architecture), adapter)
        for adapter in host.adapters()
        if adapter.link_up and adapter.mac and not _usable_address(adapter)
    )


def asked_architecture(host: Host) -> int:
    """Option 93 as this machine's firmware says it."""
    machine = host.architecture()
    return pxe.architecture_number(machine.firmware_type, machine.firmware)


def ask_boot_server(client: pxe.Client, endpoint: Endpoint, deadline: Deadline) -> Answer:
    """One request, sent again each second as long as there is time, and one answer or none.

    Raises:
        PathFailure: refused, rejected, unreachable, no-route.
    """
    deadline = deadline.within(_PATIENCE_S)
    started_at_s = deadline.clock_s()
    transaction = int.from_bytes(os.urandom(4), "big")
    request = pxe.boot_server_request(client, transaction)
    with open_udp(endpoint.address) as sock:
        for patience in turns(deadline):
            sock.send(request, endpoint)
            while (datagram := sock.receive(patience, endpoint)) is not None:
                try:
                    reply = dhcp.decode_message(datagram.octets)
                except DecodeError as exc:
                    return Answer(Outcome.WARNING, Reason.MALFORMED, {"port": endpoint.port, "detail": str(exc)})
                if (reply.operation, reply.transaction) == (dhcp.REPLY_OPERATION, transaction):
                    exchange = exchange_facts(deadline.clock_s() - started_at_s)
                    return _judged(reply, client, {"port": endpoint.port, **exchange})
    return Answer(Outcome.WARNING, Reason.SILENT, {"port": endpoint.port, "arch93": client.architecture})


def boot_facts(reply: DhcpMessage) -> dict[str, FactValue]:
    """What a DHCP or PXE answer says about booting; what it does not say is absent."""
    found: dict[str, FactValue] = {
        "boot_server": reply.boot_server[:_LONGEST_TEXT],
        "boot_file": reply.boot_file[:_LONGEST_TEXT],
        "siaddr": "" if reply.siaddr == "0.0.0.0" else reply.siaddr,
        "class60": reply.text(dhcp.VENDOR_CLASS)[:_LONGEST_TEXT],
    }
    return {name: value for name, value in found.items() if value}


def _judged(reply: DhcpMessage, client: pxe.Client, facts: dict[str, FactValue]) -> Answer:
    facts |= boot_facts(reply) | {"arch93": client.architecture}
    facts |= {"server_id": reply.address(dhcp.SERVER_IDENTIFIER)} if reply.address(dhcp.SERVER_IDENTIFIER) else {}
    try:
        vendor = pxe.decode_vendor(reply.options.get(dhcp.VENDOR_OPTIONS, b""))
    except DecodeError as exc:
        return Answer(Outcome.WARNING, Reason.MALFORMED, facts | {"detail": str(exc)})
    facts |= {"menu": "; ".join(vendor.menu)[:_LONGEST_TEXT]} if vendor.menu else {}
    if pxe.names_other_firmware(reply.boot_file, client.architecture):
        return Answer(Outcome.WARNING, Reason.MISMATCH, facts)
    return Answer(Outcome.OK, Reason.ANSWERED, facts)


def _observe(context: Context, addresses: Sequence[str]) -> Iterator[Observation]:
    if not addresses:
        return
    clients = asking_clients(context.host)
    if not clients:
        yield _skipped(context, Reason.NO_ADDRESS, "no adapter has link and an IPv4 address")
        return

    def talk(endpoint: Endpoint, deadline: Deadline, _: int) -> Answer:
        try:
            answer = ask_boot_server(clients[0], endpoint, deadline)
        except PathFailure as failure:
            # The machine runs already, so what keeps its next network boot from working is no fault of this boot.
            answer = Answer(Outcome.WARNING, failure.reason, failure.facts)
        return replace(answer, facts={"server": endpoint.address, **answer.facts})

    endpoints = [Endpoint(address, pxe.BOOT_SERVER_PORT) for address in addresses]
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    yield from observe(PROBE, endpoints, talk, deadline, context.host)


def _skipped(context: Context, reason: Reason, detail: str) -> Observation:
    return Observation(PROBE, "", Outcome.SKIPPED, reason, context.clock_s(), 0.0, {"detail": detail})


def _usable_address(adapter: Adapter) -> str:
    usable = (a.ip for a in adapter.addresses if ":" not in a.ip and not (a.tentative or a.duplicate))
    return next((ip for ip in usable if not ipaddress.ip_address(ip).is_link_local), "")


def machine_uuid(host: Host) -> bytes:
    """The SMBIOS UUID as PXE firmware sends it, its first three fields little-endian; none when not known."""
    try:
        return uuid.UUID(host.identity().smbios_uuid).bytes_le
    except ValueError:
        return b""
