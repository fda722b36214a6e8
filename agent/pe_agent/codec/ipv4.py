"""UDP in IPv4 as it stands in a frame: for a machine that has no address yet. Octets in, values out.

Source: RFC 791 section 3.1, RFC 768.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from pe_agent.errors import DecodeError

_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_VERSION_4, _UDP_NUMBER, _USUAL_HOPS = 0x45, 17, 64
_FRAGMENT = 0x3FFF


@dataclass(frozen=True, slots=True)
class UdpPacket:
    """One datagram; addresses as text."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes


def encode_udp(packet: UdpPacket) -> bytes:
    """IPv4 and UDP headers with the payload; the checksum of UDP is left out, as RFC 768 allows over IPv4.

    Raises:
        ValueError: an address that is none, or more than a datagram holds.
    """
    length = _IP.size + _UDP.size + len(packet.payload)
    if length > 0xFFFF:
        raise ValueError(f"a datagram of {length} octets; 65535 are possible")
    addresses = (ipaddress.IPv4Address(ip).packed for ip in (packet.source, packet.destination))
    head = _IP.pack(_VERSION_4, 0, length, 0, 0, _USUAL_HOPS, _UDP_NUMBER, 0, *addresses)
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    ports = _UDP.pack(packet.source_port, packet.destination_port, _UDP.size + len(packet.payload), 0)
    return head + ports + packet.payload


def decode_udp(octets: bytes) -> UdpPacket:
    """A whole UDP datagram from an IPv4 packet; padding of the frame is cut off. Checksums are not looked at.

    Raises:
        DecodeError: no IPv4, no UDP, a fragment, or lengths that do not fit.
    """
    if len(octets) < _IP.size:
        raise DecodeError(f"IPv4 packet of {len(octets)} octets; 20 is the least")
    first, _, length, _, fragment, _, number, _, source, destination = _IP.unpack_from(octets)
    header = (first & 0xF) * 4
    if first >> 4 != 4 or number != _UDP_NUMBER or fragment & _FRAGMENT:
        raise DecodeError("no whole UDP datagram in IPv4")
    if not _IP.size <= header <= length - _UDP.size or length > len(octets):
        raise DecodeError(f"IPv4 packet of {length} octets with a header of {header} in {len(octets)}")
    source_port, destination_port, udp_length, _ = _UDP.unpack_from(octets, header)
    if not _UDP.size <= udp_length <= length - header:
        raise DecodeError(f"UDP datagram of {udp_length} octets in {length - header}")
    payload = octets[header + _UDP.size : header + udp_length]
    return UdpPacket(_dotted(source), source_port, _dotted(destination), destination_port, payload)


def checksum(octets: bytes) -> int:
    """The Internet checksum of an even number of octets (RFC 1071)."""
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _dotted(octets: bytes) -> str:
    return str(ipaddress.IPv4Address(octets))
