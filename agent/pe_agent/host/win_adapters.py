"""Which adapters, addresses and leases does Windows have now? By IP Helper; a lease's times are in the registry.

Not verified on Windows PE: creation times of addresses, the lease values.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from pe_agent.host import Adapter, Address, Lease, win_dhcp, win_network
from pe_agent.host import win_registry as registry
from pe_agent.host.win_structures import (
    AdapterAddresses,
    AddressEntry,
    SocketAddress,
    UnicastAddressRow,
    ip_of_sockaddr,
)
from pe_agent.observed import Clock

assert sys.platform == "win32"  # noqa: S101 - tells type checkers what this module is for

_iphlpapi = ctypes.WinDLL("iphlpapi", use_last_error=True)

_GAA_FLAGS = 0x06 | 0x80  # skip anycast and multicast; include gateways
_ERROR_BUFFER_OVERFLOW = 111
_IF_LOOPBACK, _IF_TUNNEL = 24, 131
_OPER_UP = 1
_DAD_TENTATIVE, _DAD_DUPLICATE = 1, 2
# 100 ns units between 1601-01-01 and 1970-01-01.
_FILETIME_UNIX_EPOCH = 116_444_736_000_000_000
_ORIGINS = {1: "manual", 3: "dhcp", 5: "link-local"}


def adapters(clock: Callable[[], Clock]) -> tuple[Adapter, ...]:
    """Adapters as IP Helper lists them; loopback and tunnels are left out."""
    made = _address_rows()
    answering = win_network.answering_neighbours()
    found = ((row, _adapter(row, made, clock)) for row in adapter_rows())
    return tuple(
        replace(a, reachable_gateways=tuple(g for g in a.gateways if (row.luid, g) in answering)) for row, a in found
    )


def adapter_rows() -> tuple[AdapterAddresses, ...]:
    """The list that GetAdaptersAddresses fills, copied; its pointers live in `buffer`, which each row keeps."""
    size = ctypes.c_uint32(32 * 1024)
    for _ in range(4):
        buffer = ctypes.create_string_buffer(size.value)
        status = _iphlpapi.GetAdaptersAddresses(0, _GAA_FLAGS, None, buffer, ctypes.byref(size))
        if status == 0:
            break
        if status != _ERROR_BUFFER_OVERFLOW:
            return ()
    else:
        return ()
    rows = []
    pointer = ctypes.cast(buffer, ctypes.POINTER(AdapterAddresses))
    while pointer:
        row = pointer.contents
        row.keeps_alive = buffer
        if row.if_type not in (_IF_LOOPBACK, _IF_TUNNEL):
            rows.append(row)
        pointer = row.next
    return tuple(rows)


def _adapter(row: AdapterAddresses, made: dict[str, UnicastAddressRow], clock: Callable[[], Clock]) -> Adapter:
    octets = bytes(row.physical_address[: row.physical_address_length])
    guid = (row.adapter_name or b"").decode("ascii", "replace")
    entries = [_ip(entry.address) for entry in _linked(row.first_unicast)]
    return Adapter(
        name=row.friendly_name or row.description or guid,
        mac=octets.hex(":") if len(octets) == 6 else "",
        link_up=row.oper_status == _OPER_UP,
        addresses=tuple(_address(ip, made, clock) for ip in entries if ip),
        gateways=tuple(ip for entry in _linked(row.first_gateway) if (ip := _ip(entry.address))),
        lease=_lease(guid, _ip(row.dhcpv4_server), clock),
        driver=row.description or "",
        received_frames=win_network.received_frames(row.luid),
        dns_servers=tuple(ip for entry in _linked(row.first_dns_server) if (ip := _ip(entry.address))),
        dns_suffix=row.dns_suffix or "",
        index=row.ipv6_if_index or row.if_index,
    )


def _address(ip: str, made: dict[str, UnicastAddressRow], clock: Callable[[], Clock]) -> Address:
    row = made.get(ip)
    if row is None:
        return Address(ip, 32)
    link_local = ip.startswith(("169.254.", "fe80:"))
    return Address(
        ip=ip,
        prefix_length=row.on_link_prefix_length,
        created_at_s=_at_s(row.creation_time, clock),
        tentative=row.dad_state == _DAD_TENTATIVE,
        duplicate=row.dad_state == _DAD_DUPLICATE,
        origin="link-local" if link_local else _ORIGINS.get(row.prefix_origin, ""),
    )


def _at_s(filetime: int, clock: Callable[[], Clock]) -> float | None:
    """A FILETIME as seconds since boot; None when it is no time of this boot."""
    now = clock()
    at_s = now.uptime_s - (now.wall_ms / 1000 - (filetime - _FILETIME_UNIX_EPOCH) / 1e7)
    return at_s if filetime and 0 <= at_s <= now.uptime_s else None


def _lease(guid: str, server: str, clock: Callable[[], Clock]) -> Lease | None:
    key = rf"{registry.INTERFACES}\{guid}"
    server = registry.text(key, "DhcpServer") or server
    obtained = registry.number(key, "LeaseObtainedTime")
    if not server:
        return None
    return replace(
        win_dhcp.kept_lease(registry.octets(key, "DhcpInterfaceOptions")),
        server=server,
        obtained_at_s=None if obtained is None else _at_s(_FILETIME_UNIX_EPOCH + obtained * 10_000_000, clock),
        lease_s=registry.number(key, "Lease"),
        gateway=registry.text(key, "DhcpDefaultGateway"),
        dns_servers=tuple(registry.text(key, "DhcpNameServer").replace(",", " ").split()),
        domain_name=registry.text(key, "DhcpDomain"),
    )


def _address_rows() -> dict[str, UnicastAddressRow]:
    table = ctypes.c_void_p()
    if _iphlpapi.GetUnicastIpAddressTable(0, ctypes.byref(table)) != 0 or not table.value:
        return {}
    try:
        count = ctypes.c_uint32.from_address(table.value).value
        # The rows are aligned to 8 octets after the count.
        rows = (UnicastAddressRow * count).from_address(table.value + 8)
        return {ip_of_sockaddr(bytes(r.address)): UnicastAddressRow.from_buffer_copy(r) for r in rows}
    finally:
        _iphlpapi.FreeMibTable(table)


def _linked(first: ctypes._Pointer[AddressEntry]) -> Iterator[AddressEntry]:
    pointer = first
    while pointer:
        yield pointer.contents
        pointer = pointer.contents.next


def _ip(address: SocketAddress) -> str:
    if not address.sockaddr or address.length <= 0:
        return ""
    return ip_of_sockaddr(ctypes.string_at(address.sockaddr, address.length))
