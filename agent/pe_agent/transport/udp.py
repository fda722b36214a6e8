"""Does a datagram get an answer, from whichever port, and if not, who says no?

The socket is never connected: a TFTP server answers from a port of its own, a DHCP server from an address of its own.
ICMP errors come from the socket's error queue (see icmp.py). On Windows only the refusal itself is seen, without its
sender. # Not verified on Windows: recvfrom fails with WSAECONNRESET after an ICMP port unreachable (Winsock recvfrom).
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import selectors
import socket
import struct
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pe_agent.observed import FactValue, Reason
from pe_agent.transport.connect import wait_ready
from pe_agent.transport.icmp import ask_for_icmp, read_icmp
from pe_agent.transport.path import Deadline, Endpoint, PathFailure

_LARGEST_DATAGRAM = 65535
# ws2ipdef.h; linux/in.h. The value is the adapter's index in network order.
_IP_UNICAST_IF = 31 if sys.platform == "win32" else 50
_PORT_UNREACHABLE = {(4, 3, 3), (6, 1, 4)}
_REASONS = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ECONNRESET: Reason.REFUSED,
    errno.ENETUNREACH: Reason.NO_ROUTE,
    errno.ENETDOWN: Reason.NO_ROUTE,
    errno.EHOSTUNREACH: Reason.NO_ROUTE,
    errno.EAFNOSUPPORT: Reason.NO_ADDRESS,
    errno.EADDRNOTAVAIL: Reason.NO_ADDRESS,
    errno.EACCES: Reason.REJECTED,
    errno.EPERM: Reason.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Datagram:
    """What came, and from where."""

    octets: bytes
    sender: Endpoint


class UdpSocket:
    """An unconnected socket. Close it: use `with`."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """For a selector that watches several sockets."""
        return self._socket.fileno()

    def send(self, octets: bytes, endpoint: Endpoint) -> None:
        """One datagram. An error that an earlier one met is told here too.

        Raises:
            PathFailure: no-route, no-address, or what ICMP says.
        """
        try:
            self._socket.sendto(octets, _sockaddr(endpoint))
        except BlockingIOError:
            # A full send buffer loses the datagram, as any router may.
            return
        except OSError as exc:
            raise self._broken(exc, endpoint) from exc

    def receive(self, deadline: Deadline, asked: Endpoint) -> Datagram | None:
        """The next datagram from anyone; None when the deadline comes first. `asked` tells refused from rejected.

        Raises:
            PathFailure: refused (the asked host itself says that nobody listens), or what ICMP says.
        """
        while True:
            icmp = self._icmp_failure(asked)
            if icmp is not None:
                raise icmp
            # Also while datagrams wait: a peer that never stops sending must not keep a probe running.
            if not deadline.left_s():
                return None
            try:
                octets, sender = self._socket.recvfrom(_LARGEST_DATAGRAM)
            except BlockingIOError:
                if not wait_ready(self._socket, selectors.EVENT_READ, deadline):
                    return None
            except OSError as exc:
                raise self._broken(exc, asked) from exc
            else:
                return Datagram(octets, Endpoint(str(sender[0]), int(sender[1])))

    def _broken(self, exc: OSError, asked: Endpoint) -> PathFailure:
        icmp = self._icmp_failure(asked)
        if icmp is not None:
            return icmp
        number = exc.errno or 0
        return PathFailure(_REASONS.get(number, Reason.UNREACHABLE), {"port": asked.port, "errno": number})

    def _icmp_failure(self, asked: Endpoint) -> PathFailure | None:
        icmp = read_icmp(self._socket)
        if icmp is None:
            return None
        same = ipaddress.ip_address(icmp.sender) == ipaddress.ip_address(asked.address.partition("%")[0])
        refused = same and (icmp.version, icmp.type, icmp.code) in _PORT_UNREACHABLE
        facts: dict[str, FactValue] = {"port": asked.port} | icmp.facts(_own_address(asked))
        return PathFailure(Reason.REFUSED if refused else icmp.reason, facts)


def open_udp(family_of: str, port: int = 0, address: str = "") -> UdpSocket:
    """A socket for the family of an address, bound to a local port and address where they are given.

    Raises:
        PathFailure: no-address (this system does not speak the family, or has not this address).
        PermissionError: the port needs rights that this process has not.
        OSError: the port is taken (EADDRINUSE).
    """
    v6 = ":" in family_of
    with contextlib.ExitStack() as on_error:
        try:
            sock = on_error.enter_context(socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM))
            sock.settimeout(0.0)
            if not v6:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.bind(_sockaddr(Endpoint(address, port)) if address else ("", port))
        except OSError as exc:
            if exc.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                raise
            raise PathFailure(Reason.NO_ADDRESS, {"errno": exc.errno}) from exc
        ask_for_icmp(sock)
        on_error.pop_all()
    return UdpSocket(sock)


def open_shared_udp(port: int, index: int) -> UdpSocket:
    """An IPv4 socket for broadcasts by one adapter, on a port that the system's own client may have as well.

    A broadcast comes to every socket of its port. `index` is the adapter's number, 0 leaves the choice to the system.
    # Not verified on Windows: that its DHCP client shares its port, and that the firewall lets the answers in.

    Raises:
        PermissionError, OSError: as `open_udp`.
    """
    with contextlib.ExitStack() as on_error:
        sock = on_error.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.settimeout(0.0)
        for option in (socket.SO_BROADCAST, socket.SO_REUSEADDR):
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
        if index:
            sock.setsockopt(socket.IPPROTO_IP, _IP_UNICAST_IF, struct.pack("!I", index))
        sock.bind(("", port))
        on_error.pop_all()
    return UdpSocket(sock)


def _own_address(endpoint: Endpoint) -> str:
    """The address from which this machine would send to an endpoint; empty when there is no way to it."""
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(_sockaddr(endpoint))
        return str(sock.getsockname()[0]).partition("%")[0]
    return ""


def _sockaddr(endpoint: Endpoint) -> tuple[str, int] | tuple[str, int, int, int]:
    # Octets, because Python loads its tables of international names for text, which takes milliseconds.
    host, flags = endpoint.address.encode(), socket.AI_NUMERICHOST
    found = socket.getaddrinfo(host, endpoint.port, type=socket.SOCK_DGRAM, flags=flags)
    return found[0][4]  # type: ignore[return-value]  # the stub's third form is for a Python without IPv6
