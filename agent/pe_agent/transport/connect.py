"""Does a TCP connection come about, and if not, who or what prevents it?"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import struct
import sys
from types import TracebackType
from typing import Self

from pe_agent.observed import FactValue, Reason
from pe_agent.transport.icmp import ask_for_icmp, read_icmp
from pe_agent.transport.path import Deadline, Endpoint, PathFailure

# With the first pass before it (see passes.py) longer than the 3.4 s after which a router knows by ARP that the server
# is down: the packets of both passes wait there for the same answer. With the path trace after it shorter than 6 s.
HANDSHAKE_S = 2.4
# So that of a thousand paths which lose every second handshake hardly one looks filtered.
_APART_S = 0.3
_TCP_SYNCNT, _TCP_NOSYNRETRIES = 7, 9
_WSAEACCES = 10013
_TCP_INFO_OCTETS = 104
_TIME_STAMPS = 1
_UNDER_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN}
_REASONS = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ETIMEDOUT: Reason.FILTERED,
    errno.ENETUNREACH: Reason.NO_ROUTE,
    errno.ENETDOWN: Reason.NO_ROUTE,
    errno.EHOSTUNREACH: Reason.UNREACHABLE,
    errno.EAFNOSUPPORT: Reason.NO_ADDRESS,
    errno.EADDRNOTAVAIL: Reason.NO_ADDRESS,
    errno.ECONNRESET: Reason.RESET,
    errno.ECONNABORTED: Reason.RESET,
    errno.EPIPE: Reason.RESET,
    errno.EACCES: Reason.REJECTED,
    errno.EPERM: Reason.REJECTED,
    _WSAEACCES: Reason.REJECTED,
}
# Before any packet was sent, "host unreachable" is this machine's own routing table speaking.
_REASONS_AT_ONCE = _REASONS | {errno.EHOSTUNREACH: Reason.NO_ROUTE}


class Connection:
    """An open connection whose every step ends by one deadline. Close it: use `with`."""

    def __init__(
        self, sock: socket.socket, endpoint: Endpoint, deadline: Deadline, rtt_s: float, lost_handshakes: int = 0
    ) -> None:
        self._socket, self._deadline, self._lost_handshakes = sock, deadline, lost_handshakes
        self.endpoint, self.rtt_s = endpoint, rtt_s
        self.received_octets = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, octets: bytes) -> None:
        """All of it.

        Raises:
            PathFailure: silent (the deadline came first), reset, or what ICMP says.
        """
        left = memoryview(octets)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                self._wait(selectors.EVENT_WRITE)
            except OSError as exc:
                raise self._broken(exc) from exc

    def receive(self) -> bytes:
        """Some octets, at least one; empty when the peer has closed its side.

        Raises:
            PathFailure: silent (the deadline came first), reset, or what ICMP says.
        """
        while True:
            # Also while octets wait: a peer that never stops sending must not keep a probe running.
            if not self._deadline.left_s():
                raise self.failure(Reason.SILENT)
            try:
                octets = self._socket.recv(65536)
            except BlockingIOError:
                self._wait(selectors.EVENT_READ)
            except OSError as exc:
                raise self._broken(exc) from exc
            else:
                self.received_octets += len(octets)
                return octets

    def facts(self) -> dict[str, FactValue]:
        """What was measured so far; `retransmits` and `packet_bytes` only where the system counts them."""
        facts: dict[str, FactValue] = {
            "port": self.endpoint.port,
            "rtt_s": round(self.rtt_s, 6),
            "bytes_received": self.received_octets,
        }
        facts |= {"lost_handshakes": self._lost_handshakes} if self._lost_handshakes else {}
        return facts | _counted(self._socket)

    def failure(self, reason: Reason, facts: dict[str, FactValue] | None = None) -> PathFailure:
        """A failure that carries what this connection measured."""
        return PathFailure(reason, self.facts() | (facts or {}))

    def _wait(self, event: int) -> None:
        if not wait_ready(self._socket, event, self._deadline):
            raise self.failure(Reason.SILENT)
        icmp = read_icmp(self._socket)
        if icmp is not None:
            raise self.failure(icmp.reason, icmp.facts(_own_address(self._socket)))

    def _broken(self, exc: OSError) -> PathFailure:
        number = getattr(exc, "winerror", None) or exc.errno or 0
        return PathFailure(*_explain(self._socket, number, self.facts(), _REASONS))


def connect(endpoint: Endpoint, deadline: Deadline, *, one_syn: bool = False) -> Connection:
    """Connect within the deadline and `HANDSHAKE_S`; `one_syn` asks the system not to repeat the first packet for long.

    Without it a new attempt joins the others every `_APART_S`: the system alone would send two packets in this time,
    so that every fourteenth path which loses 30 % each way would look filtered. Fact `lost_handshakes` counts the
    attempts that came to nothing before one succeeded.

    Raises:
        PathFailure: refused, filtered, rejected, unreachable, no-route, no-address, unresolved or reset; timed-out
            when the deadline has passed and nothing was tried.
    """
    if not deadline.left_s():
        raise PathFailure(Reason.TIMED_OUT, {"port": endpoint.port})
    handshake = deadline.within(HANDSHAKE_S)
    begun_at_s: list[float] = []
    with _Attempts(endpoint) as attempts:
        while handshake.left_s():
            begun_at_s.append(deadline.clock_s())
            attempts.begin(limited=one_syn)
            sock = attempts.first_ready(handshake if one_syn else handshake.within(_APART_S))
            if sock is not None:
                lost = attempts.let_go(sock)
                return Connection(sock, endpoint, deadline, deadline.clock_s() - begun_at_s[lost], lost)
        raise PathFailure(Reason.FILTERED, attempts.facts())


class _Attempts:
    """Handshakes with one endpoint that are under way. Close them: use `with`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._sees_icmp = True
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in self._sockets:
            sock.close()

    def begin(self, *, limited: bool) -> None:
        """One more. Raises PathFailure when this machine cannot even send."""
        sock, self._sees_icmp = open_socket(self._endpoint)
        self._sockets.append(sock)
        if limited:
            limit_syns(sock)
        failed = start_connect(sock, self._endpoint)
        if failed is not None:
            raise failed

    def first_ready(self, deadline: Deadline) -> socket.socket | None:
        """The first that is open; None when the deadline comes before. Raises PathFailure when one was told no."""
        with selectors.DefaultSelector() as selector:
            for sock in self._sockets:
                selector.register(sock, selectors.EVENT_WRITE)
            told = {key.fileobj for key, _ in selector.select(deadline.left_s())}
        ready = [sock for sock in self._sockets if sock in told]
        if not ready:
            return None
        failed = connect_failure(ready[0], self._endpoint)
        if failed is not None:
            raise failed
        return ready[0]

    def let_go(self, sock: socket.socket) -> int:
        """Leave a socket to the caller; how many were begun before it."""
        number = self._sockets.index(sock)
        self._sockets.remove(sock)
        return number

    def facts(self) -> dict[str, FactValue]:
        """What is known of attempts that came to nothing."""
        facts: dict[str, FactValue] = {"port": self._endpoint.port}
        return facts if self._sees_icmp else facts | {"icmp_visible": False}


def open_socket(endpoint: Endpoint) -> tuple[socket.socket, bool]:
    """A non-blocking socket for this endpoint, and whether it will see ICMP errors.

    Raises:
        PathFailure: unresolved (not an address), no-address (this system does not speak its family).
    """
    try:
        family = _sockaddr(endpoint)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except socket.gaierror as exc:
        raise PathFailure(Reason.UNRESOLVED, {"port": endpoint.port}) from exc
    except OSError as exc:
        if exc.errno != errno.EAFNOSUPPORT:
            raise
        raise PathFailure(Reason.NO_ADDRESS, {"port": endpoint.port, "errno": exc.errno}) from exc
    sock.settimeout(0.0)
    return sock, ask_for_icmp(sock)


def limit_syns(sock: socket.socket) -> None:
    """As few repetitions of the first packet as the system grants: none on Windows, one on Linux."""
    # Not verified on Windows: without the option a refused port takes about two seconds (KB175523).
    option = _TCP_NOSYNRETRIES if sys.platform == "win32" else _TCP_SYNCNT
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, option, 1)


def limit_hops(sock: socket.socket, hops: int) -> None:
    """Let packets of this socket pass so many routers less one."""
    v6 = sock.family == socket.AF_INET6
    level, option = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if v6 else (socket.IPPROTO_IP, socket.IP_TTL)
    sock.setsockopt(level, option, hops)


def start_connect(sock: socket.socket, endpoint: Endpoint) -> PathFailure | None:
    """Send the first packet; a failure when this machine cannot even do that."""
    number = sock.connect_ex(_sockaddr(endpoint)[1])
    if number in _UNDER_WAY:
        return None
    return PathFailure(*_explain(sock, number, {"port": endpoint.port}, _REASONS_AT_ONCE))


def connect_failure(sock: socket.socket, endpoint: Endpoint) -> PathFailure | None:
    """How a connect that came to its end went; None when the connection is open."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return PathFailure(*_explain(sock, number, {"port": endpoint.port}, _REASONS)) if number else None


def wait_ready(sock: socket.socket, event: int, deadline: Deadline) -> bool:
    """Wait for the event or an error; False when the deadline came first."""
    # The selector of Windows reports a failed connect too: it watches the exception set for writers.
    with selectors.DefaultSelector() as selector:
        selector.register(sock, event)
        return bool(selector.select(deadline.left_s()))


def _explain(
    sock: socket.socket, number: int, facts: dict[str, FactValue], reasons: dict[int, Reason]
) -> tuple[Reason, dict[str, FactValue]]:
    icmp = read_icmp(sock)
    if icmp is not None:
        return icmp.reason, facts | icmp.facts(_own_address(sock))
    return reasons.get(number, Reason.UNREACHABLE), facts | {"errno": number}


def _own_address(sock: socket.socket) -> str:
    try:
        return str(sock.getsockname()[0]).partition("%")[0]
    except OSError:
        return ""


def _sockaddr(endpoint: Endpoint) -> tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]:
    # Octets, because Python loads its tables of international names for text: 2 ms and more of the first handshake.
    host, flags = endpoint.address.encode(), socket.AI_NUMERICHOST
    family, _, _, _, address = socket.getaddrinfo(host, endpoint.port, type=socket.SOCK_STREAM, flags=flags)[0]
    return family, address  # type: ignore[return-value]  # the stub's third form is for a Python without IPv6


def _counted(sock: socket.socket) -> dict[str, FactValue]:
    """Of Linux's `struct tcp_info`: tcpi_total_retrans, and the largest packet sent, in octets; nothing elsewhere."""
    if sys.platform == "win32":
        return {}
    try:
        octets = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_OCTETS)
    except OSError:
        return {}
    if len(octets) < _TCP_INFO_OCTETS:
        return {}
    segment_octets, retransmits = (int(struct.unpack_from("=I", octets, at)[0]) for at in (16, 100))
    headers = (60 if sock.family == socket.AF_INET6 else 40) + (12 if octets[5] & _TIME_STAMPS else 0)
    return {"retransmits": retransmits, "packet_bytes": segment_octets + headers}
