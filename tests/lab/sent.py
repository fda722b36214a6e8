"""What does a packet ask for? (protocol, port, words), in the words of the last table of docs/packets.md."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pe_agent.codec import dhcp
from pe_agent.errors import DecodeError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "packets.md"
HEADING = "## All of it as one table"
ANSWERED_PORT = "the server's"
_TCP, _UDP = 6, 17
_DHCP = {1: "DHCPDISCOVER", 3: "DHCPREQUEST", 4: "DHCPDECLINE", 7: "DHCPRELEASE", 8: "DHCPINFORM"}
_DHCPV6 = {1: "SOLICIT", 3: "REQUEST", 11: "INFORMATION-REQUEST"}
_TFTP = {1: "read request", 2: "write request", 4: "acknowledgement", 5: "error"}
_RPC = {0: "request", 11: "bind"}
_DNS = {1: "question A", 28: "question AAAA"}
Sent = tuple[str, str, str]


def table() -> set[Sent]:
    """The rows of the page: protocol, port, words."""
    lines = PAGE.read_text(encoding="utf-8").partition(HEADING)[2].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {(row[0], row[1], words.strip()) for row in cells[1:] for words in row[2].split(";")}


def sent(packets: Iterable[bytes]) -> set[Sent]:
    """What these packets ask for; the data of a TCP connection is put together first."""
    streams: dict[tuple[bytes, bytes], dict[int, bytes]] = {}
    found: set[Sent] = set()
    for packet in packets:
        protocol, body, ends = _upper(packet)
        if protocol == _UDP:
            port, payload = struct.unpack_from("!H", body, 2)[0], body[8:]
            found.add(("UDP", *_in_udp(port, payload)))
        elif protocol == _TCP:
            sequence, data = struct.unpack_from("!I", body, 4)[0], body[(body[12] >> 4) * 4 :]
            if data:
                streams.setdefault((ends, body[:4]), {})[sequence] = data
    for (_, ports), pieces in streams.items():
        port = struct.unpack("!HH", ports)[1]
        octets = b"".join(pieces[at] for at in sorted(pieces))
        found |= {("TCP", str(port), words) for words in _in_tcp(port, octets)}
    return found


def _upper(packet: bytes) -> tuple[int, bytes, bytes]:
    """Protocol number, what follows the network header, and both addresses."""
    if packet[0] >> 4 == 4:
        return packet[9], packet[(packet[0] & 0xF) * 4 :], packet[12:20]
    return packet[6], packet[40:], packet[8:40]


def _in_udp(port: int, payload: bytes) -> tuple[str, str]:
    known = _UDP_WORDS.get(port)
    if known is not None:
        return str(port), known(payload)
    return ANSWERED_PORT, f"TFTP {_TFTP.get(int.from_bytes(payload[:2], 'big'), 'unknown')}"


def _dhcp(payload: bytes) -> str:
    try:
        return _DHCP.get(dhcp.decode_message(payload).number(dhcp.MESSAGE_TYPE) or 0, "unknown DHCP message")
    except DecodeError:
        return "no DHCP message"


def _dns(payload: bytes) -> str:
    at = 12
    while payload[at]:
        at += payload[at] + 1
    return _DNS.get(int.from_bytes(payload[at + 1 : at + 3], "big"), "another question")


def _in_tcp(port: int, octets: bytes) -> Iterator[str]:
    if port == 445:
        yield "SMB2 negotiate" if octets[4:8] == b"\xfeSMB" and octets[16:18] == b"\0\0" else "another SMB request"
    elif port == 139:
        yield "session request" if octets[0] == 0x81 else "another NetBIOS request"
    else:
        yield from _in_rpc(octets)


def _in_rpc(octets: bytes) -> Iterator[str]:
    at = 0
    while at < len(octets):
        kind, length = octets[at + 2], int.from_bytes(octets[at + 8 : at + 10], "little")
        operation = f" of operation {int.from_bytes(octets[at + 22 : at + 24], 'little'):#x}" if kind == 0 else ""
        yield f"RPC {_RPC.get(kind, f'type {kind}')}{operation}"
        at += max(length, 16)


_UDP_WORDS: dict[int, Callable[[bytes], str]] = {
    53: _dns,
    67: _dhcp,
    69: lambda payload: f"TFTP {_TFTP.get(int.from_bytes(payload[:2], 'big'), 'unknown')}",
    123: lambda payload: "SNTP client request" if payload[0] & 7 == 3 else "another NTP message",
    137: lambda payload: "node status request" if payload[-4:-2] == b"\0\x21" else "another NetBIOS question",
    138: lambda payload: "datagram query" if payload[0] == 0x14 else "another NetBIOS datagram",
    547: lambda payload: _DHCPV6.get(payload[0], "another DHCPv6 message"),
    4011: _dhcp,
    33434: lambda payload: "zeros" if not any(payload) else "something",
}
