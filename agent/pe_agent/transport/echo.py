"""Does an ICMP echo of this size come back, when nobody may fragment it? Windows' own ping, which needs no raw socket.

Source: icmpapi.h, ipexport.h (IcmpSendEcho2, Icmp6SendEcho2; learn.microsoft.com). # Not verified on Windows: that the
flag "don't fragment" holds for Icmp6SendEcho2, where only the sender itself could fragment.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import sys
from ctypes import c_ubyte, c_uint16, c_uint32, c_void_p
from dataclasses import dataclass
from enum import IntEnum

DONT_FRAGMENT = 2
_HOP_LIMIT = 128
_AF_INET6 = 23
# What the system writes behind the reply: 8 octets of an ICMP error, and an IO_STATUS_BLOCK.
_REPLY_TAIL = 8 + 16


class Status(IntEnum):
    """IP_STATUS of ipexport.h, as far as the agent tells them apart."""

    SUCCESS = 0
    PACKET_TOO_BIG = 11009
    TIMED_OUT = 11010


class OptionInformation(ctypes.Structure):
    """IP_OPTION_INFORMATION."""

    _fields_ = (
        ("ttl", c_ubyte),
        ("tos", c_ubyte),
        ("flags", c_ubyte),
        ("options_size", c_ubyte),
        ("options", c_void_p),
    )


class EchoReply(ctypes.Structure):
    """ICMP_ECHO_REPLY; `address` is in network order."""

    _fields_ = (
        ("address", c_ubyte * 4),
        ("status", c_uint32),
        ("round_trip_ms", c_uint32),
        ("data_size", c_uint16),
        ("reserved", c_uint16),
        ("data", c_void_p),
        ("options", OptionInformation),
    )


class AddressV6(ctypes.Structure):
    """IPV6_ADDRESS_EX, which is packed."""

    _pack_ = 1
    _fields_ = (("port", c_uint16), ("flow", c_uint32), ("address", c_ubyte * 16), ("scope", c_uint32))


class EchoReplyV6(ctypes.Structure):
    """ICMPV6_ECHO_REPLY_LH; the octets that came back follow it."""

    _fields_ = (("address", AddressV6), ("status", c_uint32), ("round_trip_ms", c_uint32))


class SocketAddressV6(ctypes.Structure):
    """SOCKADDR_IN6."""

    _fields_ = (
        ("family", c_uint16),
        ("port", c_uint16),
        ("flow", c_uint32),
        ("address", c_ubyte * 16),
        ("scope", c_uint32),
    )


@dataclass(frozen=True, slots=True)
class Echoed:
    """How an echo ended: an IP_STATUS, and the address that said so, empty when nobody did."""

    status: int
    sender: str = ""


def decode_reply(octets: bytes, version: int) -> Echoed:
    """The first reply in a reply buffer."""
    if version == 6:
        reply6 = EchoReplyV6.from_buffer_copy(octets)
        return Echoed(reply6.status, _said_by(bytes(reply6.address.address)))
    reply = EchoReply.from_buffer_copy(octets)
    return Echoed(reply.status, _said_by(bytes(reply.address)))


def reply_octets(payload_octets: int, version: int) -> int:
    """How large a reply buffer must be for an echo with this payload."""
    head = ctypes.sizeof(EchoReplyV6 if version == 6 else EchoReply)
    return head + payload_octets + _REPLY_TAIL


def sockaddr6(address: str) -> SocketAddressV6:
    """An IPv6 address, with or without its scope (a number on Windows), as the system takes it."""
    ip = ipaddress.IPv6Address(address)
    scope = ip.scope_id or "0"
    number = int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    return SocketAddressV6(_AF_INET6, 0, 0, (c_ubyte * 16)(*ip.packed), number)


def _said_by(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed)) if any(packed) else ""


if sys.platform == "win32":
    _iphlpapi = ctypes.WinDLL("iphlpapi", use_last_error=True)
    for _name in ("IcmpCreateFile", "Icmp6CreateFile"):
        getattr(_iphlpapi, _name).restype = c_void_p
    _iphlpapi.IcmpCloseHandle.argtypes = (c_void_p,)
    _SEND_TAIL = (c_void_p, c_uint16, ctypes.POINTER(OptionInformation), c_void_p, c_uint32, c_uint32)
    _HANDLE_EVENT_APC_CONTEXT = (c_void_p,) * 4
    _iphlpapi.IcmpSendEcho2.argtypes = (*_HANDLE_EVENT_APC_CONTEXT, c_uint32, *_SEND_TAIL)
    _ADDRESSES_V6 = (ctypes.POINTER(SocketAddressV6),) * 2
    _iphlpapi.Icmp6SendEcho2.argtypes = (*_HANDLE_EVENT_APC_CONTEXT, *_ADDRESSES_V6, *_SEND_TAIL)
    _INVALID_HANDLE = c_void_p(-1).value

    def echo(address: str, payload: bytes, wait_s: float) -> Echoed:
        """Send one echo request that must not be fragmented and wait for its end.

        Raises:
            OSError: this system cannot send echoes of this family.
        """
        version = ipaddress.ip_address(address).version
        handle = _iphlpapi.Icmp6CreateFile() if version == 6 else _iphlpapi.IcmpCreateFile()
        if handle in (None, _INVALID_HANDLE):
            raise OSError(ctypes.get_last_error(), "no ICMP handle")
        try:
            return _send(handle, address, payload, max(1, int(wait_s * 1000)))
        finally:
            _iphlpapi.IcmpCloseHandle(handle)

    def _send(handle: int, address: str, payload: bytes, wait_ms: int) -> Echoed:
        version = 6 if ":" in address else 4
        options = OptionInformation(ttl=_HOP_LIMIT, flags=DONT_FRAGMENT)
        buffer = ctypes.create_string_buffer(reply_octets(len(payload), version))
        tail = (payload, len(payload), ctypes.byref(options), buffer, len(buffer), wait_ms)
        ctypes.set_last_error(0)
        if version == 6:
            ends = (ctypes.byref(SocketAddressV6(_AF_INET6)), ctypes.byref(sockaddr6(address)))
            count = _iphlpapi.Icmp6SendEcho2(handle, None, None, None, *ends, *tail)
        else:
            target = int.from_bytes(ipaddress.IPv4Address(address).packed, sys.byteorder)
            count = _iphlpapi.IcmpSendEcho2(handle, None, None, None, target, *tail)
        return decode_reply(buffer.raw, version) if count else Echoed(ctypes.get_last_error())
