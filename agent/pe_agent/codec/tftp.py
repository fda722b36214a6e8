"""TFTP packets with options, octets in, values out.

Source: RFC 1350, RFC 2347 (options), RFC 2348 (blksize), RFC 2349 (tsize).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pe_agent.errors import DecodeError

PORT = 69
DEFAULT_BLOCK_BYTES = 512
NOT_DEFINED, FILE_NOT_FOUND, ACCESS_VIOLATION, UNKNOWN_TRANSFER = 0, 1, 2, 5
_READ, _DATA, _ACK, _ERROR, _OPTION_ACK = 1, 3, 4, 5, 6
_MODE = b"octet"
_MOST_OPTIONS = 32


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """`name` octet for octet as the boot server wrote it; `options` by lower-case name."""

    name: bytes
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    """A block of the file; the first has number 1."""

    block: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """A block arrived; number 0 accepts the options."""

    block: int


@dataclass(frozen=True, slots=True)
class Error:
    """The end of a transfer, with a reason."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class OptionAck:
    """The options that the server grants, by lower-case name."""

    options: Mapping[str, str]

    def number(self, name: str) -> int | None:
        """An option that is a decimal number; None when it is absent or none."""
        value = self.options.get(name, "")
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= 19 else None


Packet = ReadRequest | Data | Ack | Error | OptionAck


def encode(packet: Packet) -> bytes:
    """A packet for a UDP datagram.

    Raises:
        ValueError: a NUL inside a text, or a number beyond 16 bits.
    """
    match packet:
        case ReadRequest(name, options):
            return _number(_READ) + _texts(name, _MODE, *_flat(options))
        case OptionAck(options):
            return _number(_OPTION_ACK) + _texts(*_flat(options))
        case Data(block, octets):
            return _number(_DATA) + _number(block) + octets
        case Ack(block):
            return _number(_ACK) + _number(block)
        case Error(code, text):
            return _number(_ERROR) + _number(code) + _texts(text.encode("latin-1", "replace"))


def decode(octets: bytes) -> Packet:
    """A packet as it stands in a UDP datagram.

    Raises:
        DecodeError: an unknown kind, a missing end of a text, or an option without value.
    """
    if len(octets) < 4:
        raise DecodeError(f"TFTP packet of {len(octets)} octets; the shortest has 4")
    kind, number = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big")
    if kind == _DATA:
        return Data(number, octets[4:])
    if kind == _ACK:
        return Ack(number)
    if kind == _ERROR:
        return Error(number, octets[4:].split(b"\0", 1)[0].decode("latin-1"))
    if kind == _OPTION_ACK:
        return OptionAck(_options(_split(octets[2:])))
    if kind == _READ:
        return _read_request(_split(octets[2:]))
    raise DecodeError(f"TFTP packet of kind {kind}; 1, 3, 4, 5 and 6 are understood")


def _read_request(texts: list[bytes]) -> ReadRequest:
    if len(texts) < 2 or texts[1].lower() != _MODE:
        raise DecodeError("TFTP read request without a name or in another mode than octet")
    return ReadRequest(texts[0], _options(texts[2:]))


def _options(texts: list[bytes]) -> dict[str, str]:
    if len(texts) % 2 or len(texts) > 2 * _MOST_OPTIONS:
        raise DecodeError(
            f"TFTP options in {len(texts)} texts; names and values come in pairs, at most {_MOST_OPTIONS}"
        )
    words = [text.decode("latin-1") for text in texts]
    return {_lower(name): value for name, value in zip(words[::2], words[1::2], strict=True)}


def _lower(name: str) -> str:
    """Option names are ASCII and ignore case (RFC 2347); other letters stay as they came."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def _split(octets: bytes) -> list[bytes]:
    if not octets.endswith(b"\0"):
        raise DecodeError("TFTP text without the NUL at its end")
    return octets[:-1].split(b"\0")


def _flat(options: Mapping[str, str]) -> list[bytes]:
    return [word.encode("latin-1") for pair in options.items() for word in pair]


def _texts(*texts: bytes) -> bytes:
    if any(b"\0" in text for text in texts):
        raise ValueError("a TFTP text cannot hold a NUL (RFC 1350 section 5)")
    return b"".join(text + b"\0" for text in texts)


def _number(value: int) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"TFTP number {value} has no place in 16 bits")
    return value.to_bytes(2, "big")
