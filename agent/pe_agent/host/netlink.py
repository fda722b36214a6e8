"""Adapters, addresses and routes from the Linux kernel by rtnetlink: no /sys, so it is right in any namespace.

Source: rtnetlink(7), netlink(7), include/uapi/linux/{rtnetlink,if_link,if_addr}.h.
"""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

assert sys.platform == "linux"  # noqa: S101 - tells type checkers what this module is for

_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_RTM_NEWNEIGH, _RTM_GETNEIGH = 28, 30
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_STATS64, _IFLA_CARRIER = 1, 3, 23, 33
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 6, 8
_RTA_GATEWAY, _RTA_OIF = 5, 4
_NDA_DST, _NDA_LLADDR = 1, 2
# NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE: the neighbour has answered at some time (neighbour.h).
_HAS_ANSWERED = 0x02 | 0x04 | 0x08 | 0x10
_IFF_LOOPBACK, _IFF_UP = 0x8, 0x1
_IFA_F_TENTATIVE, _IFA_F_DADFAILED, _IFA_F_PERMANENT = 0x40, 0x08, 0x80
_STATS64_RX_PACKETS = 0
# RTMGRP_LINK, RTMGRP_NEIGH, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.
_GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400


@dataclass(frozen=True, slots=True)
class Link:
    """One interface. `received_frames` counts since the interface was made."""

    index: int
    name: str
    mac: str
    link_up: bool
    received_frames: int | None


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address. `created_cs` is hundredths of a second on the kernel's own uptime clock."""

    index: int
    ip: str
    prefix_length: int
    created_cs: int | None
    tentative: bool
    duplicate: bool
    permanent: bool


def links() -> tuple[Link, ...]:
    """Every interface but loopback."""
    request = struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, 0, 0, 0)
    parsed = (_link(body) for kind, body in _dump(_RTM_GETLINK, request) if kind == _RTM_NEWLINK)
    return tuple(link for link in parsed if link is not None)


def addresses() -> tuple[InterfaceAddress, ...]:
    """Every address of every interface, IPv4 and IPv6."""
    request = struct.pack("=BBBBI", socket.AF_UNSPEC, 0, 0, 0, 0)
    parsed = (_address(body) for kind, body in _dump(_RTM_GETADDR, request) if kind == _RTM_NEWADDR)
    return tuple(address for address in parsed if address is not None)


def default_gateways() -> tuple[tuple[int, str], ...]:
    """(interface index, gateway) of every default route."""
    request = struct.pack("=BBBBBBBBI", socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0)
    parsed = (_gateway(body) for kind, body in _dump(_RTM_GETROUTE, request) if kind == _RTM_NEWROUTE)
    return tuple(route for route in parsed if route is not None)


def answering_neighbours() -> frozenset[tuple[int, str]]:
    """(interface index, address) of every neighbour whose link address was learnt from its own answer."""
    request = struct.pack("=BBHiHBB", socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0)
    parsed = (_neighbour(body) for kind, body in _dump(_RTM_GETNEIGH, request) if kind == _RTM_NEWNEIGH)
    return frozenset(neighbour for neighbour in parsed if neighbour is not None)


@contextlib.contextmanager
def changes(other: socket.socket | None) -> Iterator[Callable[[float], None]]:
    """Within the block a call waits for news of a link, address, route or neighbour, so many seconds at most.

    What comes to the other socket ends the waiting too, and is left there.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.bind((0, _GROUPS))
        sock.settimeout(0.0)

        def wait(within_s: float) -> None:
            select.select([sock, *([other] if other else [])], (), (), max(0.0, within_s))
            # What came is not read: a look at everything follows. A full queue (ENOBUFS) means a change as well.
            with contextlib.suppress(OSError):
                while sock.recv(1 << 17):
                    pass

        yield wait


def _dump(kind: int, request: bytes) -> Iterator[tuple[int, bytes]]:
    """Ask for a table; yields (message type, body) until the kernel says done."""
    header = struct.pack("=IHHII", 16 + len(request), kind, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(2.0)
        sock.sendto(header + request, (0, 0))
        while True:
            for message_kind, body in _messages(sock.recv(1 << 17)):
                if message_kind in (_NLMSG_DONE, _NLMSG_ERROR):
                    return
                yield message_kind, body


def _messages(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 16 <= len(octets):
        length, kind = struct.unpack_from("=IH", octets, at)
        if length < 16 or at + length > len(octets):
            return
        yield kind, octets[at + 16 : at + length]
        at += (length + 3) & ~3


def _attributes(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(octets):
        length, kind = struct.unpack_from("=HH", octets, at)
        if length < 4 or at + length > len(octets):
            break
        found[kind & 0x3FFF] = octets[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _link(body: bytes) -> Link | None:
    _, _, _, index, flags, _ = struct.unpack_from("=BBHiII", body)
    attributes = _attributes(body[16:])
    name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("ascii", "replace")
    mac = attributes.get(_IFLA_ADDRESS, b"")
    if flags & _IFF_LOOPBACK or len(mac) != 6:
        return None
    carrier = attributes.get(_IFLA_CARRIER, b"\0")
    stats = attributes.get(_IFLA_STATS64)
    frames = struct.unpack_from("=Q", stats, 8 * _STATS64_RX_PACKETS)[0] if stats else None
    return Link(index, name, mac.hex(":"), bool(flags & _IFF_UP and carrier[0]), frames)


def _address(body: bytes) -> InterfaceAddress | None:
    family, prefix_length, flags, _, index = struct.unpack_from("=BBBBI", body)
    attributes = _attributes(body[8:])
    octets = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if family not in (socket.AF_INET, socket.AF_INET6) or not octets:
        return None
    if _IFA_FLAGS in attributes:
        flags = struct.unpack("=I", attributes[_IFA_FLAGS])[0]
    cache = attributes.get(_IFA_CACHEINFO)
    created = struct.unpack_from("=IIII", cache)[2] if cache else None
    return InterfaceAddress(
        index=index,
        ip=str(ipaddress.ip_address(octets)),
        prefix_length=prefix_length,
        created_cs=created,
        tentative=bool(flags & _IFA_F_TENTATIVE),
        duplicate=bool(flags & _IFA_F_DADFAILED),
        permanent=bool(flags & _IFA_F_PERMANENT),
    )


def _gateway(body: bytes) -> tuple[int, str] | None:
    destination_length = body[1]
    attributes = _attributes(body[12:])
    gateway, index = attributes.get(_RTA_GATEWAY), attributes.get(_RTA_OIF)
    if destination_length != 0 or not gateway or not index:
        return None
    return struct.unpack("=I", index)[0], str(ipaddress.ip_address(gateway))


def _neighbour(body: bytes) -> tuple[int, str] | None:
    family, _, _, index, state, _, _ = struct.unpack_from("=BBHiHBB", body)
    attributes = _attributes(body[12:])
    octets = attributes.get(_NDA_DST)
    known = state & _HAS_ANSWERED and _NDA_LLADDR in attributes
    if family not in (socket.AF_INET, socket.AF_INET6) or not octets or not known:
        return None
    return index, str(ipaddress.ip_address(octets))
