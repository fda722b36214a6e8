"""Which router or host said no to a connection? ICMP errors read from the socket, without raw sockets.

Linux: IP_RECVERR and the error queue (ip(7)); seen to work for TCP on kernel 6.18.
Windows: TCP_FAIL_CONNECT_ON_ICMP_ERROR and TCP_ICMP_ERROR_INFO (learn.microsoft.com "IPPROTO_TCP socket options";
Windows 10 2004 and later). # Not verified on Windows: the source is the documentation.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from dataclasses import dataclass, replace

from pe_agent.observed import FactValue, Reason

TCP_FAIL_CONNECT_ON_ICMP_ERROR, TCP_ICMP_ERROR_INFO = 18, 19
_ICMP_ERROR_INFO_OCTETS = 36
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_EXTENDED_ERROR = struct.Struct("=IBBBxII")
_FROM_ICMP = {2, 3}
_IPV4_FAMILY = 2
# AF_INET6 has a number of its own on each system.
_IPV6_FAMILIES = {10, 23}

# Who says so cannot reach the target; every other code is somebody who does not want to (RFC 792, 1812, 4443).
_CANNOT_V4 = {(3, 0), (3, 1), (3, 5), (3, 6), (3, 7), (3, 8), (3, 11), (3, 12), (11, 0)}
_CANNOT_V6 = {(1, 0), (1, 2), (1, 3), (3, 0)}
_TIME_EXCEEDED = {4: 11, 6: 3}
TOO_BIG = {4: (3, 4), 6: (2, 0)}


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP error: type and code as in RFC 792 or, from an IPv6 sender, RFC 4443.

    `mtu` in octets stands in "fragmentation needed" and "packet too big" only.
    """

    type: int
    code: int
    sender: str
    mtu: int | None = None

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.sender).version

    @property
    def time_exceeded(self) -> bool:
        """The hop limit ran out at the sender: a router on the way."""
        return self.type == _TIME_EXCEEDED[self.version]

    @property
    def too_big(self) -> bool:
        """The packet was too large for the next link of the sender (RFC 1191, RFC 4443 3.2)."""
        return (self.type, self.code) == TOO_BIG[self.version]

    @property
    def reason(self) -> Reason:
        """`unreachable` when the sender cannot, `rejected` when it will not."""
        cannot = _CANNOT_V4 if self.version == 4 else _CANNOT_V6
        return Reason.UNREACHABLE if (self.type, self.code) in cannot else Reason.REJECTED

    def facts(self, own_address: str) -> dict[str, FactValue]:
        """What the error says; `icmp_local` when this machine itself says so (no answer to ARP, dead cable)."""
        facts: dict[str, FactValue] = {"icmp_type": self.type, "icmp_code": self.code, "icmp_from": self.sender}
        return facts | ({"icmp_local": True} if self.sender == own_address else {})


def decode_extended_error(octets: bytes) -> Icmp | None:
    """A Linux `struct sock_extended_err` with the offender's address behind it; None when it is not from ICMP."""
    if len(octets) < _EXTENDED_ERROR.size:
        return None
    _, origin, kind, code, information, _ = _EXTENDED_ERROR.unpack_from(octets)
    sender = _decode_sockaddr(octets[_EXTENDED_ERROR.size :])
    if origin not in _FROM_ICMP or not sender:
        return None
    icmp = Icmp(kind, code, sender)
    return replace(icmp, mtu=information) if icmp.too_big and information else icmp


def decode_icmp_error_info(octets: bytes) -> Icmp | None:
    """A Windows ICMP_ERROR_INFO: SOCKADDR_INET (28), protocol (4), type, code; None when it is empty."""
    if len(octets) < 34:
        return None
    sender = _decode_sockaddr(octets[:28])
    return Icmp(octets[32], octets[33], sender) if sender else None


def _decode_sockaddr(octets: bytes) -> str:
    family = int.from_bytes(octets[:2], sys.byteorder)
    if family == _IPV4_FAMILY and len(octets) >= 8:
        return str(ipaddress.IPv4Address(octets[4:8]))
    if family in _IPV6_FAMILIES and len(octets) >= 24:
        return str(ipaddress.IPv6Address(octets[8:24]))
    return ""


if sys.platform == "win32":

    def ask_for_icmp(sock: socket.socket) -> bool:
        """Make a connect fail on ICMP errors; False where this system has no such option."""
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR, 1)
        except OSError:
            return False
        return True

    def read_icmp(sock: socket.socket) -> Icmp | None:
        """The ICMP error that ended this socket's connect; None when there is none."""
        with contextlib.suppress(OSError):
            octets = sock.getsockopt(socket.IPPROTO_TCP, TCP_ICMP_ERROR_INFO, _ICMP_ERROR_INFO_OCTETS)
            return decode_icmp_error_info(octets)
        return None

else:

    def ask_for_icmp(sock: socket.socket) -> bool:
        """Make the kernel keep ICMP errors for this socket; False where it has no such option."""
        v6 = sock.family == socket.AF_INET6
        level, option = (socket.IPPROTO_IPV6, _IPV6_RECVERR) if v6 else (socket.IPPROTO_IP, _IP_RECVERR)
        try:
            sock.setsockopt(level, option, 1)
        except OSError:
            return False
        return True

    def read_icmp(sock: socket.socket) -> Icmp | None:
        """The first ICMP error in this socket's error queue; None when there is none."""
        found: Icmp | None = None
        with contextlib.suppress(OSError):
            while found is None:
                _, ancillary, _, _ = sock.recvmsg(1024, 1024, socket.MSG_ERRQUEUE)
                kept = [octets for level, kind, octets in ancillary if (level, kind) in {(0, 11), (41, 25)}]
                found = next((icmp for icmp in map(decode_extended_error, kept) if icmp), None)
        return found
