"""What did the firmware hear when it booted over the network: which server, which boot file, over which relay?

Windows PE keeps the DHCP ACK and the boot server's reply as they came, so this needs no packet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pe_agent.errors import DecodeError
from pe_agent.host import BootRecord
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context

if TYPE_CHECKING:
    from pe_agent.codec import dhcp

PROBE = "boot-record"
_UNSET = "0.0.0.0"  # an empty address field, not a listener


def run(context: Context) -> Iterator[Observation]:
    """One observation for each packet that was kept, or one for the names alone."""
    started_at_s = context.clock_s()
    record = context.host.boot_record()
    if record is None:
        yield Observation(PROBE, "", Outcome.SKIPPED, Reason.NOT_KNOWN, started_at_s)
        return
    named = _named(record)
    packets = {"dhcp-ack": record.dhcp_ack, "boot-reply": record.boot_reply}
    for target, octets in packets.items():
        if octets:
            yield _decoded(target, octets, named, started_at_s)
    if not any(packets.values()):
        yield Observation(PROBE, "", Outcome.OK, Reason.ANSWERED, started_at_s, 0.0, named)


def message_facts(message: dhcp.DhcpMessage) -> dict[str, FactValue]:
    """What a kept packet tells about servers, boot file and relay."""
    from pe_agent.codec import dhcp  # noqa: PLC0415 - the first probe to answer waits for no packet's codec

    possible: dict[str, FactValue | None] = {
        "dhcp_server": message.address(dhcp.SERVER_IDENTIFIER),
        "boot_server": message.boot_server,
        "boot_file": message.boot_file,
        "address": "" if message.yiaddr == _UNSET else message.yiaddr,
        "next_server": "" if message.siaddr == _UNSET else message.siaddr,
        "relay": "" if message.giaddr == _UNSET else message.giaddr,
        "lease_s": message.number(dhcp.LEASE_TIME),
        "vendor_class": message.text(dhcp.VENDOR_CLASS),
        "domain_name": message.text(dhcp.DOMAIN_NAME),
        "dns_servers": ",".join(message.addresses(dhcp.DNS_SERVER)),
    }
    return {name: value for name, value in possible.items() if value not in (None, "")}


def _named(record: BootRecord) -> dict[str, FactValue]:
    facts = {
        "server_name": record.server_name,
        "server_address": record.server_address,
        "firmware_type": record.firmware_type,
    }
    return {name: value for name, value in facts.items() if value}


def _decoded(target: str, octets: bytes, named: dict[str, FactValue], at_s: float) -> Observation:
    from pe_agent.codec import dhcp  # noqa: PLC0415

    try:
        message = dhcp.decode_message(octets)
    except DecodeError as exc:
        facts = named | {"detail": str(exc), "packet_bytes": len(octets)}
        return Observation(PROBE, target, Outcome.WARNING, Reason.MALFORMED, at_s, 0.0, facts)
    return Observation(PROBE, target, Outcome.OK, Reason.ANSWERED, at_s, 0.0, named | message_facts(message))
