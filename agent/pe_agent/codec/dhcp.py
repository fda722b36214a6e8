"""DHCP messages: the fixed BOOTP part and the options, octets in, values out.

Source: RFC 2131 section 2, RFC 2132 (options, overload 52), RFC 3396 (long options).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from pe_agent.errors import DecodeError

MAGIC_COOKIE = bytes((99, 130, 83, 99))
_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_PAD, _END, _OVERLOAD = 0, 255, 52
# A DHCP message cannot be larger than a UDP datagram.
MAX_MESSAGE_OCTETS = 65507

REQUEST_OPERATION, REPLY_OPERATION = 1, 2
SUBNET_MASK, ROUTER, DNS_SERVER, DOMAIN_NAME, TIME_SERVER = 1, 3, 6, 15, 42
VENDOR_OPTIONS = 43
REQUESTED_ADDRESS, LEASE_TIME, MESSAGE_TYPE, SERVER_IDENTIFIER, PARAMETER_LIST = 50, 51, 53, 54, 55
VENDOR_CLASS, CLIENT_IDENTIFIER, BOOT_SERVER_NAME, BOOT_FILE_NAME = 60, 61, 66, 67
DISCOVER, OFFER, REQUEST, DECLINE, ACK = 1, 2, 3, 4, 5
_ETHERNET = 1
_BROADCAST = 0x8000
# RFC 951 section 3: a BOOTP message has 300 octets at least; some servers and relays drop shorter ones.
_LEAST_OCTETS = 300


@dataclass(frozen=True, slots=True)
class DhcpMessage:
    """One decoded message; addresses as text, `0.0.0.0` where the field is empty.

    `broadcast` asks for an answer to everybody, as a client without an address must (RFC 2131 section 4.1).
    """

    operation: int
    transaction: int
    ciaddr: str
    yiaddr: str
    siaddr: str
    giaddr: str
    client_mac: str
    sname: bytes
    file: bytes
    options: Mapping[int, bytes]
    broadcast: bool = False

    def text(self, option: int) -> str:
        """An option that holds text, without the NUL that some servers append; empty when absent."""
        return self.options.get(option, b"").rstrip(b"\0").decode("latin-1")

    def address(self, option: int) -> str:
        """The first IPv4 address of an option; empty when absent or short."""
        octets = self.options.get(option, b"")
        return str(ipaddress.IPv4Address(octets[:4])) if len(octets) >= 4 else ""

    def addresses(self, option: int) -> tuple[str, ...]:
        """Every whole IPv4 address of an option, in order."""
        return addresses_in(self.options.get(option, b""))

    def number(self, option: int) -> int | None:
        """An option that holds an unsigned integer of 1, 2 or 4 octets; None when absent."""
        octets = self.options.get(option, b"")
        return int.from_bytes(octets, "big") if len(octets) in (1, 2, 4) else None

    @property
    def boot_server(self) -> str:
        """Option 66, else the server name field, else siaddr; empty when none says anything."""
        name = self.text(BOOT_SERVER_NAME) or _c_string(self.sname)
        return name or ("" if self.siaddr == "0.0.0.0" else self.siaddr)

    @property
    def boot_file(self) -> str:
        """Option 67, else the file field."""
        return self.text(BOOT_FILE_NAME) or _c_string(self.file)


def addresses_in(octets: bytes) -> tuple[str, ...]:
    """Every whole IPv4 address of an option's value, in order."""
    return tuple(_dotted(octets[at : at + 4]) for at in range(0, len(octets) - 3, 4))


def encode_message(message: DhcpMessage) -> bytes:
    """A DHCP message for a UDP datagram, padded to the least size of BOOTP.

    Raises:
        ValueError: an address or MAC that is none, or a field longer than its place.
    """
    mac = bytes.fromhex(message.client_mac.replace(":", ""))
    if len(mac) > 16 or len(message.sname) > 64 or len(message.file) > 128:
        raise ValueError("MAC, sname and file hold 16, 64 and 128 octets at most (RFC 2131 section 2)")
    addresses = (message.ciaddr, message.yiaddr, message.siaddr, message.giaddr)
    fixed = _FIXED.pack(
        message.operation,
        _ETHERNET,
        len(mac),
        0,
        message.transaction,
        0,
        _BROADCAST if message.broadcast else 0,
        *(ipaddress.IPv4Address(address).packed for address in addresses),
        mac,
        message.sname,
        message.file,
    )
    return (fixed + MAGIC_COOKIE + encode_options(message.options)).ljust(_LEAST_OCTETS, b"\0")


def decode_message(octets: bytes) -> DhcpMessage:
    """A DHCP message as it stands in a UDP datagram.

    Raises:
        DecodeError: too short or long, no DHCP cookie, or an option that claims more than there is.
    """
    if not _FIXED.size + 4 <= len(octets) <= MAX_MESSAGE_OCTETS:
        raise DecodeError(f"DHCP message of {len(octets)} octets; 240 to {MAX_MESSAGE_OCTETS} are possible")
    fields = _FIXED.unpack_from(octets)
    if octets[_FIXED.size : _FIXED.size + 4] != MAGIC_COOKIE:
        raise DecodeError("DHCP message without the magic cookie 99.130.83.99 (RFC 2131 section 3)")
    operation, _, hardware_length, _, transaction, _, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file = (
        fields
    )
    options = decode_options(octets[_FIXED.size + 4 :])
    overload = options.get(_OVERLOAD, b"\0")
    used = overload[0] if overload else 0
    if used & 1:
        options = _joined(options, decode_options(file))
    if used & 2:
        options = _joined(options, decode_options(sname))
    return DhcpMessage(
        operation=operation,
        transaction=transaction,
        ciaddr=_dotted(ciaddr),
        yiaddr=_dotted(yiaddr),
        siaddr=_dotted(siaddr),
        giaddr=_dotted(giaddr),
        client_mac=chaddr[: min(hardware_length, 16)].hex(":"),
        sname=b"" if used & 2 else sname,
        file=b"" if used & 1 else file,
        options=options,
        broadcast=bool(flags & _BROADCAST),
    )


def decode_options(area: bytes) -> dict[int, bytes]:
    """Split an options area into code -> value.

    A code that appears twice is one long value (RFC 3396); options after a Pad octet are kept.

    Raises:
        DecodeError: an option claims more octets than the area holds.
    """
    found: dict[int, bytes] = {}
    at = 0
    while at < len(area) and area[at] != _END:
        code = area[at]
        if code == _PAD:
            at += 1
            continue
        if at + 2 > len(area) or at + 2 + area[at + 1] > len(area):
            raise DecodeError(f"DHCP option {code} at octet {at} claims more than the {len(area)} octets there are")
        length = area[at + 1]
        found[code] = found.get(code, b"") + area[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def encode_options(options: Mapping[int, bytes]) -> bytes:
    """Options as an area with the end mark; values over 255 octets are split (RFC 3396)."""
    parts = []
    for code, value in options.items():
        pieces = [value[at : at + 255] for at in range(0, len(value), 255)] or [b""]
        parts += [bytes((code, len(piece))) + piece for piece in pieces]
    return b"".join(parts) + bytes((_END,))


def _joined(first: dict[int, bytes], second: dict[int, bytes]) -> dict[int, bytes]:
    return {code: first.get(code, b"") + second.get(code, b"") for code in (*first, *second)}


def _dotted(octets: bytes) -> str:
    return str(ipaddress.IPv4Address(octets))


def _c_string(octets: bytes) -> str:
    return octets.split(b"\0", 1)[0].decode("latin-1")
