"""NetBIOS over TCP/IP: does a node tell its names, and does it take a session?

Source: RFC 1002 sections 4.2.17 (NODE STATUS REQUEST), 4.2.18 (its answer), 4.3 (session packets), 4.4.4 (datagram
query); RFC 1001 section 14.1 (how a name is written).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pe_agent.errors import DecodeError

FILE_SERVER, WORKSTATION = 0x20, 0x00
MAX_ANSWER_OCTETS = 65507

_HEADER = struct.Struct("!HHHHHH")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_NODE_STATUS, _INTERNET, _RESPONSE = 0x21, 1, 0x8000
_GROUP = 0x8000
_NAME_OCTETS = 34
_DATAGRAM_QUERY, _FIRST_FRAGMENT = 0x14, 0x02
_SESSION_REQUEST, _POSITIVE, _NEGATIVE = 0x81, 0x82, 0x83


@dataclass(frozen=True, slots=True)
class NodeName:
    """A name a node has registered; `suffix` is its sixteenth octet, which tells the service."""

    name: str
    suffix: int
    group: bool


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node says about itself; `mac` is empty when it gives none (Samba does not)."""

    names: tuple[NodeName, ...]
    mac: str


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """Whether a session was granted; `error` is the code of a negative answer (RFC 1002 4.3.4)."""

    granted: bool
    error: int | None = None


def encode_name(name: str, suffix: int) -> bytes:
    """A name in first-level encoding with its length and end marks (RFC 1001 14.1); `*` is padded with NUL.

    Raises:
        ValueError: longer than 15 octets, or not ASCII.
    """
    octets = name.upper().encode("ascii")
    if len(octets) > 15:
        raise ValueError(f"NetBIOS name {name!r} has {len(octets)} octets; 15 fit")
    padded = octets.ljust(16, b"\0") if name == "*" else octets.ljust(15, b" ") + bytes((suffix,))
    return b"\x20" + bytes(0x41 + half for octet in padded for half in (octet >> 4, octet & 15)) + b"\0"


def encode_node_status(transaction: int) -> bytes:
    """Ask a node for all its names; it changes nothing there."""
    question = encode_name("*", 0) + _QUESTION.pack(_NODE_STATUS, _INTERNET)
    return _HEADER.pack(transaction, 0, 1, 0, 0, 0) + question


def decode_node_status(octets: bytes, transaction: int) -> NodeStatus:
    """The answer to `encode_node_status`.

    Raises:
        DecodeError: another transaction, not an answer, or a list that claims more names than there are.
    """
    if not _HEADER.size + _NAME_OCTETS + _RECORD.size < len(octets) <= MAX_ANSWER_OCTETS:
        raise DecodeError(f"NetBIOS node status of {len(octets)} octets")
    answered, flags, *_ = _HEADER.unpack_from(octets)
    if answered != transaction or not flags & _RESPONSE:
        raise DecodeError(f"not the answer to NetBIOS question {transaction:#06x} but {answered:#06x}")
    kind, *_ = _RECORD.unpack_from(octets, _HEADER.size + _NAME_OCTETS)
    if octets[_HEADER.size] != 0x20 or kind != _NODE_STATUS:
        raise DecodeError(f"NetBIOS answer of record type {kind:#06x}, not 0x0021")
    at = _HEADER.size + _NAME_OCTETS + _RECORD.size
    count, names_at = octets[at], at + 1
    mac_at = names_at + 18 * count
    if mac_at > len(octets):
        raise DecodeError(f"NetBIOS node status claims {count} names in {len(octets)} octets")
    names = tuple(_node_name(octets[i : i + 18]) for i in range(names_at, mac_at, 18))
    mac = octets[mac_at : mac_at + 6]
    return NodeStatus(names, mac.hex(":") if len(mac) == 6 and any(mac) else "")


def encode_datagram_query(number: int, name: str) -> bytes:
    """Ask UDP 138 whether it would distribute datagrams for a name; nobody is sent anything (RFC 1002 4.4.4)."""
    header = struct.pack("!BBH4sH", _DATAGRAM_QUERY, _FIRST_FRAGMENT, number, bytes(4), 0)
    return header + encode_name(name, FILE_SERVER)


def encode_session_request(called: str, calling: str) -> bytes:
    """Ask TCP 139 for a session with the file server `called`; `*SMBSERVER` is taken by every one."""
    body = encode_name(called, FILE_SERVER) + encode_name(calling, WORKSTATION)
    return struct.pack("!BBH", _SESSION_REQUEST, 0, len(body)) + body


def decode_session_answer(octets: bytes) -> SessionAnswer:
    """The first packet back on TCP 139.

    Raises:
        DecodeError: neither a positive nor a negative answer.
    """
    if len(octets) >= 4 and octets[0] == _POSITIVE:
        return SessionAnswer(granted=True)
    if len(octets) >= 5 and octets[0] == _NEGATIVE:
        return SessionAnswer(granted=False, error=octets[4])
    raise DecodeError(f"not an answer to a NetBIOS session request: {octets[:8].hex()}")


def _node_name(octets: bytes) -> NodeName:
    (flags,) = struct.unpack_from("!H", octets, 16)
    return NodeName(octets[:15].rstrip(b" \0").decode("latin-1"), octets[15], bool(flags & _GROUP))
