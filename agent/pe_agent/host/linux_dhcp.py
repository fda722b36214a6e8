"""What does the system's own DHCP client say and hear? Overheard on the wire, as it tells nobody.

Source: packet(7), Documentation/networking/filter.rst (socket filters and their ancillary data).
"""

from __future__ import annotations

import ctypes
import socket
import sys
import time
from collections.abc import Iterator

from pe_agent.codec import dhcp
from pe_agent.codec.ipv4 import decode_udp
from pe_agent.errors import DecodeError
from pe_agent.host import Overheard

assert sys.platform == "linux"  # noqa: S101 - tells type checkers what this module is for

_EVERY_PROTOCOL = 3  # ETH_P_ALL: only such a socket sees what this machine sends itself
_SO_ATTACH_FILTER = 26
_LARGEST_PACKET = 65535
_SERVER_PORT, _CLIENT_PORT = 67, 68
# IPv4 (by the protocol that the kernel knows, SKF_AD_PROTOCOL), UDP, no later fragment, to port 67 or 68; offsets are
# from the start of the IP header. Operation, jump if true, jump if false, operand.
_FILTER = (
    (0x28, 0, 0, 0xFFFFF000),
    (0x15, 0, 9, 0x0800),
    (0x30, 0, 0, 9),
    (0x15, 0, 7, 17),
    (0x28, 0, 0, 6),
    (0x45, 5, 0, 0x1FFF),
    (0xB1, 0, 0, 0),
    (0x48, 0, 0, 2),
    (0x15, 1, 0, _SERVER_PORT),
    (0x15, 0, 1, _CLIENT_PORT),
    (0x06, 0, 0, _LARGEST_PACKET),
    (0x06, 0, 0, 0),
)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.c_void_p))


def open_listener() -> socket.socket | None:
    """A packet socket on every adapter that gets DHCP only; None without the right to (CAP_NET_RAW)."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
    except PermissionError:
        return None
    rows = (_Instruction * len(_FILTER))(*(_Instruction(*row) for row in _FILTER))
    program = _Program(len(rows), ctypes.addressof(rows))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
        sock.settimeout(0.0)
    except OSError:
        sock.close()
        return None
    return sock


def overheard(sock: socket.socket) -> Iterator[Overheard]:
    """What has come since the last call: offers, and addresses that the client declined."""
    while True:
        try:
            octets, sender = sock.recvfrom(_LARGEST_PACKET)
        except OSError:
            return
        at_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        try:
            packet = decode_udp(octets)
            message = dhcp.decode_message(packet.payload)
        except DecodeError:
            continue
        to, server = packet.destination_port, message.address(dhcp.SERVER_IDENTIFIER)
        kind = message.number(dhcp.MESSAGE_TYPE)
        # Offers to the server's port are for relays: the agent asks like one (transport/dhcp.py).
        if kind == dhcp.OFFER and to == _CLIENT_PORT and message.yiaddr != "0.0.0.0":
            yield Overheard(at_s, str(sender[0]), message.yiaddr, server, message.client_mac)
        elif kind == dhcp.DECLINE and to == _SERVER_PORT:
            address = message.address(dhcp.REQUESTED_ADDRESS)
            yield Overheard(at_s, str(sender[0]), address, server, message.client_mac, declined=True)
