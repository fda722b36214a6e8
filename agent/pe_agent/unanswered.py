"""Nobody answers a machine without an address: what else does it know of who is to blame?

Without an address nobody beyond the router can be asked, so that a missing relay and a dead server sound alike. Three
things tell more: who answered earlier in this boot over the same cable, whether a router shows itself on the link, and
whether frames come in at all. The fact `suspect` is what follows from them:

    port-since-boot    somebody answered earlier, and now no frame comes in
    relay-since-boot   a relay passed it on earlier
    server-since-boot  a server answered earlier, without a relay as far as is known
    relay              frames come in and a router is there, but nobody answered yet
    port               no frame comes in
    not-known          none of it
"""

from __future__ import annotations

import ipaddress

from pe_agent.codec import dhcp
from pe_agent.errors import DecodeError
from pe_agent.host import Adapter, BootRecord
from pe_agent.model import FactValue

_UNSET = "0.0.0.0"  # an empty address field, not a listener
# What the system keeps as the server while it knows none.
_NO_SERVER = frozenset({"", _UNSET, "255.255.255.255"})


def suspicion(before: Adapter, after: Adapter, record: BootRecord | None) -> dict[str, FactValue]:
    """The facts of an adapter that asked in vain, seen before it asked and after."""
    facts = earlier_answer(after, record) | _router(after) | _frames(before, after)
    return facts | {"suspect": _suspect(facts, after)}


def earlier_answer(adapter: Adapter, record: BootRecord | None) -> dict[str, FactValue]:
    """Who gave this adapter an address earlier in this boot: by the firmware's ACK, else by the lease that is kept."""
    ack = _ack(record)
    if ack is not None and ack.client_mac == adapter.mac and ack.address(dhcp.SERVER_IDENTIFIER):
        facts: dict[str, FactValue] = {
            "earlier_server": ack.address(dhcp.SERVER_IDENTIFIER),
            "earlier_by": "its firmware",
            "earlier_address": ack.yiaddr,
        }
        return facts | ({"earlier_relay": relay} if (relay := _relay(ack)) else {})
    lease = adapter.lease
    if lease is None or lease.obtained_at_s is None or lease.server in _NO_SERVER:
        return {}
    return {"earlier_server": lease.server, "earlier_by": "its system"}


def _suspect(facts: dict[str, FactValue], adapter: Adapter) -> str:
    nothing_came = adapter.received_frames == 0
    if "earlier_server" in facts:
        kind = "port" if nothing_came else "relay" if "earlier_relay" in facts else "server"
        return f"{kind}-since-boot"
    if nothing_came:
        return "port"
    return "relay" if "router" in facts else "not-known"


def _ack(record: BootRecord | None) -> dhcp.DhcpMessage | None:
    try:
        return dhcp.decode_message(record.dhcp_ack) if record and record.dhcp_ack else None
    except DecodeError:
        return None


def _relay(ack: dhcp.DhcpMessage) -> str:
    """giaddr; where it is empty and the server is on another network, the router that must have passed it on."""
    if ack.giaddr != _UNSET:
        return ack.giaddr
    mask = ack.address(dhcp.SUBNET_MASK)
    try:
        network = ipaddress.ip_network(f"{ack.yiaddr}/{mask}", strict=False) if mask else None
    except ValueError:
        network = None
    server = ipaddress.ip_address(ack.address(dhcp.SERVER_IDENTIFIER))
    return ack.address(dhcp.ROUTER) if network is not None and server not in network else ""


def _router(adapter: Adapter) -> dict[str, FactValue]:
    """A router that has shown itself: without an IPv4 address that is one that advertises itself by IPv6."""
    return {"router": adapter.gateways[0]} if adapter.gateways else {}


def _frames(before: Adapter, after: Adapter) -> dict[str, FactValue]:
    if before.received_frames is None or after.received_frames is None:
        return {}
    return {"frames_meanwhile": max(0, after.received_frames - before.received_frames)}
