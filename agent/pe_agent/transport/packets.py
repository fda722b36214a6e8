"""How does a machine without an address send a datagram, and hear the answer? By a packet socket on its adapter.

A usual socket takes its sender's address from the adapter, and what comes to an address that the machine has not got is
dropped before it. On Windows only drivers can do this; there a socket beside the system's client has to do (udp.py).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
from types import TracebackType
from typing import Self

from pe_agent.codec.ipv4 import UdpPacket, decode_udp, encode_udp
from pe_agent.errors import DecodeError
from pe_agent.observed import Reason
from pe_agent.transport.connect import wait_ready
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.udp import Datagram

_IPV4 = 0x0800
_EVERYBODY = b"\xff" * 6
_NOBODY = "0.0.0.0"  # no address yet, not a listener
_LARGEST_PACKET = 65535


class PacketSocket:
    """Broadcasts from one port of an adapter, and what comes to that port. Close it: use `with`."""

    def __init__(self, sock: socket.socket, adapter: str, port: int) -> None:
        self._socket, self._adapter, self._port = sock, adapter, port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, octets: bytes, endpoint: Endpoint) -> None:
        """One datagram to everybody on the link.

        Raises:
            PathFailure: no-route (the adapter has gone down).
        """
        packet = UdpPacket(_NOBODY, self._port, endpoint.address, endpoint.port, octets)
        try:
            self._socket.sendto(encode_udp(packet), (self._adapter, _IPV4, 0, 0, _EVERYBODY))
        except OSError as exc:
            raise PathFailure(Reason.NO_ROUTE, {"port": endpoint.port, "errno": exc.errno or 0}) from exc

    def receive(self, deadline: Deadline, asked: Endpoint) -> Datagram | None:
        """The next datagram to the port; None when the deadline comes first.

        Raises:
            PathFailure: no-route (the adapter has gone down).
        """
        while deadline.left_s():
            try:
                octets = self._socket.recv(_LARGEST_PACKET)
            except BlockingIOError:
                wait_ready(self._socket, selectors.EVENT_READ, deadline)
                continue
            except OSError as exc:
                raise PathFailure(Reason.NO_ROUTE, {"port": asked.port, "errno": exc.errno or 0}) from exc
            with contextlib.suppress(DecodeError):
                packet = decode_udp(octets)
                if packet.destination_port == self._port:
                    return Datagram(packet.payload, Endpoint(packet.source, packet.source_port))
        return None


def open_packets(adapter: str, port: int) -> PacketSocket:
    """A packet socket on the adapter of this name.

    Raises:
        PathFailure: not-supported (not on this system, or not without more rights), no-route (no such adapter).
    """
    if sys.platform != "linux":
        raise PathFailure(Reason.NOT_SUPPORTED, {"detail": "without an address only the system's own client can ask"})
    with contextlib.ExitStack() as on_error:
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
            on_error.enter_context(sock)
            sock.bind((adapter, _IPV4))
        except PermissionError as exc:
            detail = "asking DHCP without an address needs the right to send packets (root, CAP_NET_RAW)"
            raise PathFailure(Reason.NOT_SUPPORTED, {"detail": detail}) from exc
        except OSError as exc:
            raise PathFailure(Reason.NO_ROUTE, {"errno": exc.errno or 0}) from exc
        sock.settimeout(0.0)
        on_error.pop_all()
    return PacketSocket(sock, adapter, port)
