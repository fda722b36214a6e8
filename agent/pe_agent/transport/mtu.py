"""How large may a packet to a host be? Packets that must not be fragmented, and what routers say about them.

On Linux datagrams to the first port of traceroute, where nobody listens: the host itself says so (ICMP port
unreachable), which proves that the datagram arrived. On Windows, where UDP tells no ICMP details, ICMP echoes: they
come back as large as they went, so they measure both directions at once. # Not verified on Windows.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import sys
from dataclasses import dataclass
from enum import Enum

from pe_agent.observed import Reason
from pe_agent.transport.connect import wait_ready
from pe_agent.transport.echo import Echoed, Status
from pe_agent.transport.icmp import TOO_BIG, Icmp, ask_for_icmp, read_icmp
from pe_agent.transport.path import Deadline, Endpoint, PathFailure

if sys.platform == "win32":
    from pe_agent.transport.echo import echo

PORT = 33434
ETHERNET_MTU = 1500
SMALL_PACKET = 256
# What tunnels leave of Ethernet: PPPoE, GRE, IPsec and the like, the least of IPv6, the least of IPv4 hosts.
NARROW_PACKETS = (1492, 1476, 1460, 1400, 1280, 576)
DIRECTION = "both" if sys.platform == "win32" else "up"
# IP and UDP; an ICMP echo has a header as long as UDP's.
_HEADERS = {4: 28, 6: 48}
# <linux/in.h>, <linux/in6.h>: the level, IP_MTU_DISCOVER, IP_MTU. PROBE sets DF and ignores what is remembered.
_DISCOVER = {4: (0, 10), 6: (41, 23)}
_PROBE = 3


class Fate(Enum):
    """What became of a datagram."""

    ARRIVED = "arrived"
    TOO_BIG_HERE = "too big for this machine's own link"
    TOO_BIG = "too big for a link on the way"
    LOST = "nothing came back"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a datagram and, where a router said something, who and what."""

    fate: Fate
    icmp: Icmp | None = None


def judge_echo(echoed: Echoed) -> Sent:
    """What became of an ICMP echo.

    Raises:
        PathFailure: unreachable (fact `echo_status`, an IP_STATUS of Windows): it ended for a reason other than size.
    """
    if echoed.status == Status.SUCCESS:
        return Sent(Fate.ARRIVED)
    if echoed.status == Status.TIMED_OUT:
        return Sent(Fate.LOST)
    if echoed.status != Status.PACKET_TOO_BIG:
        raise PathFailure(Reason.UNREACHABLE, {"echo_status": int(echoed.status)})
    if not echoed.sender:
        return Sent(Fate.TOO_BIG_HERE)
    kind, code = TOO_BIG[6 if ":" in echoed.sender else 4]
    return Sent(Fate.TOO_BIG, Icmp(kind, code, echoed.sender))


def send_packet(address: str, packet_octets: int, deadline: Deadline) -> Sent:
    """Send one IP packet of this size that nobody may fragment.

    Raises:
        PathFailure: no-route, no-address, or an ICMP error that has nothing to do with size.
    """
    if sys.platform == "win32":
        payload = bytes(packet_octets - _HEADERS[6 if ":" in address else 4])
        try:
            return judge_echo(echo(address, payload, deadline.left_s()))
        except OSError as exc:
            raise PathFailure(Reason.NO_ADDRESS, {"errno": exc.errno or 0}) from exc
    return _send_datagram(address, packet_octets, deadline)


def _send_datagram(address: str, packet_octets: int, deadline: Deadline) -> Sent:
    version = 6 if ":" in address else 4
    payload = bytes(packet_octets - _HEADERS[version])
    with _socket(version) as sock:
        try:
            sock.sendto(payload, (address, PORT))
        except OSError as exc:
            if exc.errno == errno.EMSGSIZE:
                return Sent(Fate.TOO_BIG_HERE)
            raise PathFailure(Reason.NO_ROUTE, {"errno": exc.errno or 0}) from exc
        if not wait_ready(sock, selectors.EVENT_READ, deadline):
            return Sent(Fate.LOST)
        return _told(read_icmp(sock), Endpoint(address, PORT))


def _told(icmp: Icmp | None, asked: Endpoint) -> Sent:
    if icmp is None:
        return Sent(Fate.LOST)
    if icmp.too_big:
        return Sent(Fate.TOO_BIG, icmp)
    if icmp.sender == asked.address:
        return Sent(Fate.ARRIVED, icmp)
    raise PathFailure(icmp.reason, {"port": asked.port} | icmp.facts(""))


def _socket(version: int) -> socket.socket:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with contextlib.ExitStack() as on_error:
        sock = on_error.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        sock.settimeout(0.0)
        sock.setsockopt(*_DISCOVER[version], _PROBE)
        ask_for_icmp(sock)
        on_error.pop_all()
    return sock
