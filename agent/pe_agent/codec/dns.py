"""One DNS question and its answer: which addresses does a name have, or why has it none?

Source: RFC 1035 section 4 (messages, compression), RFC 3596 (AAAA), RFC 2308 (names that do not exist).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from pe_agent.errors import DecodeError

A, CNAME, AAAA = 1, 5, 28
MAX_MESSAGE_OCTETS = 65535
RCODES = {0: "noerror", 1: "formerr", 2: "servfail", 3: "nxdomain", 4: "notimp", 5: "refused"}

_HEADER = struct.Struct("!HHHHHH")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_INTERNET = 1
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RCODE = 0x8000, 0x0200, 0x0100, 0x000F
# A name has at most 255 octets, so it cannot be made of more pieces than this (RFC 1035 3.1).
_MAX_PIECES = 128
# A pointer always costs two octets, so more records than this cannot stand in a message.
_MAX_RECORDS = 4096


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; `kind` is a record type."""

    name: str
    kind: int = A


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What a server said. `addresses` of the name asked for or of what it is an alias of, in the order given."""

    rcode: int
    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def rcode_text(self) -> str:
        """The rcode in words."""
        return rcode_text(self.rcode)


def rcode_text(rcode: int) -> str:
    """`noerror`, `nxdomain`, `refused`; a number for codes without a common name."""
    return RCODES.get(rcode, str(rcode))


def is_name(text: str) -> bool:
    """Whether this can be asked for."""
    try:
        encode_name(text)
    except ValueError:
        return False
    return True


def encode_name(name: str) -> bytes:
    """A domain name as labels, without compression.

    Raises:
        ValueError: an empty or too long label, or a name over 255 octets.
    """
    labels = [label.encode("idna") if not label.isascii() else label.encode() for label in name.rstrip(".").split(".")]
    if any(not 1 <= len(label) <= 63 for label in labels):
        raise ValueError(f"{name!r} is no domain name: each part has 1 to 63 octets")
    octets = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(octets) > 255:
        raise ValueError(f"{name!r} is no domain name: {len(octets)} octets, 255 are possible")
    return octets


def encode_query(question: Question, transaction: int) -> bytes:
    """A question for a recursive server."""
    header = _HEADER.pack(transaction, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encode_name(question.name) + _QUESTION.pack(question.kind, _INTERNET)


def decode_answer(octets: bytes, transaction: int) -> DnsAnswer:
    """The answer to the question with this transaction number.

    Raises:
        DecodeError: another transaction, a question, or records that run out of the message.
    """
    if not _HEADER.size <= len(octets) <= MAX_MESSAGE_OCTETS:
        raise DecodeError(f"DNS message of {len(octets)} octets; 12 to {MAX_MESSAGE_OCTETS} are possible")
    answered, flags, questions, answers, _, _ = _HEADER.unpack_from(octets)
    if answered != transaction or not flags & _RESPONSE:
        raise DecodeError(f"not the answer to DNS question {transaction:#06x} but {answered:#06x}")
    if questions + answers > _MAX_RECORDS:
        raise DecodeError(f"DNS message claims {questions} questions and {answers} answers")
    at = _HEADER.size
    for _ in range(questions):
        at = _name(octets, at)[1] + _QUESTION.size
    addresses, aliases = _answers(octets, at, answers)
    return DnsAnswer(flags & _RCODE, addresses, aliases, bool(flags & _TRUNCATED))


def _answers(octets: bytes, at: int, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    addresses, aliases = [], []
    for _ in range(count):
        _, at = _name(octets, at)
        if at + _RECORD.size > len(octets):
            raise DecodeError(f"DNS record at octet {at} is cut")
        kind, group, _, length = _RECORD.unpack_from(octets, at)
        at += _RECORD.size
        value = octets[at : at + length]
        if len(value) != length:
            raise DecodeError(f"DNS record at octet {at} claims {length} octets, {len(value)} are left")
        if (kind, group, length) in {(A, _INTERNET, 4), (AAAA, _INTERNET, 16)}:
            addresses.append(str(ipaddress.ip_address(value)))
        elif (kind, group) == (CNAME, _INTERNET):
            aliases.append(_name(octets, at)[0])
        at += length
    return tuple(addresses), tuple(aliases)


def _name(octets: bytes, at: int) -> tuple[str, int]:
    """A name and where the message goes on; a pointer must lead backwards, so that no loop is possible."""
    labels: list[str] = []
    after: int | None = None
    before = at
    for _ in range(_MAX_PIECES):
        if at >= len(octets):
            raise DecodeError(f"DNS name runs out of the message at octet {at}")
        length = octets[at]
        if length == 0:
            return ".".join(labels), at + 1 if after is None else after
        if length < 0x40:
            labels.append(octets[at + 1 : at + 1 + length].decode("latin-1"))
            at += 1 + length
            continue
        after = at + 2 if after is None else after
        at = _pointer(octets, at, before)
        before = at
    raise DecodeError("DNS name of too many pieces")


def _pointer(octets: bytes, at: int, before: int) -> int:
    if octets[at] < 0xC0 or at + 2 > len(octets):
        raise DecodeError(f"DNS label of kind {octets[at]:#04x} at octet {at}")
    to = int.from_bytes(octets[at : at + 2], "big") & 0x3FFF
    if to >= before:
        raise DecodeError(f"DNS name pointer at octet {at} does not lead backwards")
    return to
