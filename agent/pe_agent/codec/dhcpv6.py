"""DHCPv6 messages between client and server, and what they say about booting: octets in, values out.

Source: RFC 8415 (8, 21), RFC 5970 (options 59, 60, 61), RFC 6355 (DUID-UUID), RFC 3646 (option 23).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from pe_agent.errors import DecodeError

CLIENT_PORT, SERVER_PORT = 546, 547
ALL_SERVERS = "ff02::1:2"
SOLICIT, ADVERTISE, REPLY, INFORMATION_REQUEST = 1, 2, 7, 11
CLIENT_IDENTIFIER, SERVER_IDENTIFIER, ADDRESS_ASSOCIATION, OPTION_REQUEST = 1, 2, 3, 6
ELAPSED_TIME, STATUS, DNS_SERVERS, BOOT_URL, BOOT_PARAMETERS, CLIENT_ARCHITECTURE = 8, 13, 23, 59, 60, 61
# Servers and relays speak to each other in messages of another shape (RFC 8415 9).
_RELAYED = (12, 13)
_DUID_LINK_LAYER, _DUID_UUID, _ETHERNET = 3, 4, 1
_ASKED_FOR = (DNS_SERVERS, BOOT_URL, BOOT_PARAMETERS)

Options = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Dhcpv6Message:
    """One message; options in the order they stand, as some may stand more than once."""

    kind: int
    transaction: int
    options: Options = ()

    def first(self, code: int) -> bytes:
        """The first option of this code; empty when there is none."""
        return next((octets for found, octets in self.options if found == code), b"")

    @property
    def boot_url(self) -> str:
        """Option 59; empty when the server names no boot program."""
        return self.first(BOOT_URL).rstrip(b"\0").decode("utf-8", "replace")

    @property
    def dns_servers(self) -> tuple[str, ...]:
        """Every whole address of option 23."""
        octets = self.first(DNS_SERVERS)
        return tuple(str(ipaddress.IPv6Address(octets[at : at + 16])) for at in range(0, len(octets) - 15, 16))

    @property
    def status(self) -> int:
        """Option 13; 0 (success) when it is absent (RFC 8415 21.13)."""
        return int.from_bytes(self.first(STATUS)[:2], "big")


def question(kind: int, transaction: int, duid: bytes, architecture: int) -> bytes:
    """A SOLICIT or INFORMATION-REQUEST as firmware sends it, for boot options; neither makes a server keep an address.

    A SOLICIT asks for one address, because a server need not answer one that asks for none, and without Rapid Commit,
    so that it is only offered.
    """
    asked = b"".join(struct.pack("!H", code) for code in _ASKED_FOR)
    options: Options = (
        (CLIENT_IDENTIFIER, duid),
        (ELAPSED_TIME, bytes(2)),
        (OPTION_REQUEST, asked),
        (CLIENT_ARCHITECTURE, struct.pack("!H", architecture)),
    )
    if kind == SOLICIT:
        options += ((ADDRESS_ASSOCIATION, struct.pack("!III", transaction, 0, 0)),)
    return encode_message(Dhcpv6Message(kind, transaction, options))


def client_identifier(uuid: bytes, mac: str) -> bytes:
    """DUID-UUID as UEFI sends it where the machine has a UUID, else DUID-LL of its adapter (RFC 8415 11.4)."""
    if len(uuid) == 16:
        return struct.pack("!H", _DUID_UUID) + uuid
    return struct.pack("!HH", _DUID_LINK_LAYER, _ETHERNET) + bytes.fromhex(mac.replace(":", ""))


def encode_message(message: Dhcpv6Message) -> bytes:
    """The octets of a message.

    Raises:
        ValueError: a transaction of more than 24 bits, or an option of more than 65,535 octets.
    """
    if message.transaction >> 24 or message.kind >> 8 or message.kind in _RELAYED:
        raise ValueError(f"kind {message.kind} or transaction {message.transaction:#x} has no place in a message")
    if any(len(octets) > 0xFFFF or code > 0xFFFF for code, octets in message.options):
        raise ValueError("an option has 65,535 octets at most")
    head = struct.pack("!I", message.kind << 24 | message.transaction)
    return head + b"".join(struct.pack("!HH", code, len(octets)) + octets for code, octets in message.options)


def decode_message(octets: bytes) -> Dhcpv6Message:
    """Read a message.

    Raises:
        DecodeError: it is cut, a relay's, or an option claims more octets than there are.
    """
    if len(octets) < 4:
        raise DecodeError(f"DHCPv6 message of {len(octets)} octets")
    (head,) = struct.unpack_from("!I", octets)
    if head >> 24 in _RELAYED:
        raise DecodeError("a message between relay and server")
    return Dhcpv6Message(head >> 24, head & 0xFFFFFF, _options(octets[4:]))


def decode_parameters(octets: bytes) -> tuple[str, ...]:
    """The parameters in option 60 (RFC 5970 3.2).

    Raises:
        DecodeError: one claims more octets than there are.
    """
    found, at = [], 0
    while at < len(octets):
        length = int.from_bytes(octets[at : at + 2], "big")
        text = octets[at + 2 : at + 2 + length]
        if at + 2 + length > len(octets):
            raise DecodeError(f"boot parameter at octet {at} claims {length} octets")
        found.append(text.decode("utf-8", "replace"))
        at += 2 + length
    return tuple(found)


def _options(area: bytes) -> Options:
    found, at = [], 0
    while at < len(area):
        if at + 4 > len(area):
            raise DecodeError(f"DHCPv6 option at octet {at} is cut")
        code, length = struct.unpack_from("!HH", area, at)
        if at + 4 + length > len(area):
            raise DecodeError(f"DHCPv6 option {code} at octet {at} claims {length} octets")
        found.append((code, area[at + 4 : at + 4 + length]))
        at += 4 + length
    return tuple(found)
