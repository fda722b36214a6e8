"""Connection-oriented DCE/RPC PDUs without authentication: octets in, values out.

Source: C706 (DCE 1.1 RPC) chapter 12, [MS-RPCE] 2.2.2. Octets are encoded little-endian; both orders decode,
because the receiver makes it right (C706 14.1).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from pe_agent.errors import DecodeError

HEADER_OCTETS = 16
# A server need not take more before it has said what it takes (C706 12.6.3.1: at least 1432; Windows says 5840).
MAX_FRAGMENT = 5840
FAULT_OPERATION_RANGE = 0x1C010002
FAULT_ACCESS_DENIED = 5

_FIRST, _LAST, _HAS_OBJECT = 0x01, 0x02, 0x80
_AUTH_TRAILER_OCTETS = 8


class PduType(IntEnum):
    """C706 12.6.4; the types this module decodes."""

    REQUEST = 0
    RESPONSE = 2
    FAULT = 3
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13


@dataclass(frozen=True, slots=True)
class Syntax:
    """An interface or a transfer syntax with its version."""

    uuid: uuid.UUID
    major: int
    minor: int = 0


NDR32 = Syntax(uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2)


@dataclass(frozen=True, slots=True)
class ContextOffer:
    """One presentation context of a bind."""

    abstract: Syntax
    transfers: tuple[Syntax, ...] = (NDR32,)
    context: int = 0


@dataclass(frozen=True, slots=True)
class ContextResult:
    """A bind_ack's answer to one context: 0 acceptance, 1 user rejection, 2 provider rejection.

    `reason` says why, for a provider rejection: 1 abstract syntax, 2 transfer syntaxes, 3 local limit (C706 12.6.3.1).
    """

    result: int
    reason: int
    transfer: Syntax


@dataclass(frozen=True, slots=True)
class Bind:
    """Which interfaces the client wants to speak."""

    call: int
    offers: tuple[ContextOffer, ...]
    max_transmit: int = MAX_FRAGMENT
    max_receive: int = MAX_FRAGMENT
    group: int = 0


@dataclass(frozen=True, slots=True)
class BindAck:
    """The server speaks; whether it speaks the interface stands in `results`, one for each context offered."""

    call: int
    results: tuple[ContextResult, ...]
    secondary_address: bytes = b""
    max_transmit: int = MAX_FRAGMENT
    max_receive: int = MAX_FRAGMENT
    group: int = 0


@dataclass(frozen=True, slots=True)
class BindNak:
    """The server refuses the association: reason of [MS-RPCE] 2.2.2.5 (4 protocol version, 8 authentication type)."""

    call: int
    reason: int


@dataclass(frozen=True, slots=True)
class Request:
    """A call, or one fragment of it."""

    call: int
    operation: int
    stub: bytes = b""
    context: int = 0
    first: bool = True
    last: bool = True
    object: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A result, or one fragment of it; `big_endian` tells how numbers stand in the stub."""

    call: int
    stub: bytes = b""
    context: int = 0
    first: bool = True
    last: bool = True
    big_endian: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """The RPC runtime, or the called code, says no."""

    call: int
    status: int
    context: int = 0


Pdu = Bind | BindAck | BindNak | Request | Response | Fault


def encode(pdu: Pdu) -> bytes:
    """A PDU as it stands on the wire, little-endian.

    Raises:
        ValueError: a field does not fit, or the PDU is longer than 65535 octets.
    """
    kind, flags, body = _ENCODERS[type(pdu)](pdu)
    length = HEADER_OCTETS + len(body)
    if length > 0xFFFF:
        raise ValueError(f"RPC fragment of {length} octets; 65535 are possible")
    try:
        return struct.pack("<BBBB4sHHI", 5, 0, kind, flags, b"\x10\0\0\0", length, 0, pdu.call) + body
    except struct.error as exc:
        raise ValueError(f"RPC call identifier {pdu.call} does not fit") from exc


def fragment_octets(start: bytes) -> int | None:
    """How long the PDU that begins here is; None while its header is not complete.

    Raises:
        DecodeError: these octets cannot begin an RPC PDU; said as early as the first octet allows.
    """
    if start[:1] not in {b"", b"\x05"} or start[1:2] not in {b"", b"\0", b"\x01"}:
        raise DecodeError(f"not an RPC 5 PDU: begins with {start[:4].hex(' ')}")
    if len(start) > 2 and start[2] > 21:
        raise DecodeError(f"RPC PDU type {start[2]} does not exist")
    if len(start) < HEADER_OCTETS:
        return None
    (length,) = struct.unpack_from(_order(start) + "H", start, 8)
    if length < HEADER_OCTETS:
        raise DecodeError(f"RPC fragment claims {length} octets; its header alone has {HEADER_OCTETS}")
    return int(length)


def decode(octets: bytes) -> Pdu:
    """Exactly one PDU.

    Raises:
        DecodeError: not RPC, cut short, too long, of a type that is not decoded here, or damaged inside.
    """
    length = fragment_octets(octets)
    if length is None or length != len(octets):
        raise DecodeError(f"RPC PDU of {len(octets)} octets claims {length or 'an incomplete header'}")
    order = _order(octets)
    auth, call = struct.unpack_from(order + "HI", octets, 10)
    end = length - (auth + _AUTH_TRAILER_OCTETS if auth else 0)
    if end < HEADER_OCTETS:
        raise DecodeError(f"RPC PDU of {length} octets claims {auth} octets of authentication")
    decoder = _DECODERS.get(octets[2])
    if decoder is None:
        raise DecodeError(f"RPC PDU type {octets[2]} is not expected on a new connection")
    try:
        return decoder(_Body(octets[:end], order, octets[3], call))
    except struct.error as exc:
        raise DecodeError(f"RPC PDU of type {octets[2]} is cut short") from exc


class _Body:
    """A reader over one PDU; `struct.error` means: fewer octets than the format demands."""

    def __init__(self, octets: bytes, order: str, flags: int, call: int) -> None:
        self.octets, self.order, self.flags, self.call = octets, order, flags, call
        self.at = HEADER_OCTETS

    def take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(self.order + form, self.octets, self.at)
        self.at += struct.calcsize(self.order + form)
        return values

    def raw(self, count: int) -> bytes:
        (value,) = struct.unpack_from(f"{count}s", self.octets, self.at)
        self.at += count
        return bytes(value)

    def uuid(self) -> uuid.UUID:
        octets = self.raw(16)
        return uuid.UUID(bytes_le=octets) if self.order == "<" else uuid.UUID(bytes=octets)

    def syntax(self) -> Syntax:
        name = self.uuid()
        (version,) = self.take("I")
        return Syntax(name, version & 0xFFFF, version >> 16)

    def rest(self) -> bytes:
        return self.octets[self.at :]


def _order(octets: bytes) -> str:
    """Integer order of the data representation label (C706 14.1): high half of its first octet."""
    integers = octets[4] >> 4
    if integers > 1:
        raise DecodeError(f"RPC data representation {octets[4]:#04x} does not exist")
    return "<" if integers else ">"


def _decode_bind(body: _Body) -> Bind:
    transmit, receive, group, count = body.take("HHIB3x")
    offers = []
    for _ in range(count):
        context, transfers = body.take("HBx")
        abstract = body.syntax()
        offers.append(ContextOffer(abstract, tuple(body.syntax() for _ in range(transfers)), context))
    return Bind(body.call, tuple(offers), transmit, receive, group)


def _decode_bind_ack(body: _Body) -> BindAck:
    transmit, receive, group, length = body.take("HHIH")
    address = body.raw(length)
    body.at += -body.at % 4
    (count,) = body.take("B3x")
    results = []
    for _ in range(count):
        result, reason = body.take("HH")
        results.append(ContextResult(result, reason, body.syntax()))
    return BindAck(body.call, tuple(results), address, transmit, receive, group)


def _decode_bind_nak(body: _Body) -> BindNak:
    return BindNak(body.call, body.take("H")[0])


def _decode_request(body: _Body) -> Request:
    _, context, operation = body.take("IHH")
    thing = body.uuid() if body.flags & _HAS_OBJECT else None
    first, last = bool(body.flags & _FIRST), bool(body.flags & _LAST)
    return Request(body.call, operation, body.rest(), context, first, last, thing)


def _decode_response(body: _Body) -> Response:
    _, context, _ = body.take("IHBx")
    first, last = bool(body.flags & _FIRST), bool(body.flags & _LAST)
    return Response(body.call, body.rest(), context, first, last, body.order == ">")


def _decode_fault(body: _Body) -> Fault:
    _, context, _, status = body.take("IHBxI")
    return Fault(body.call, status, context)


_DECODERS: dict[int, Callable[[_Body], Pdu]] = {
    PduType.BIND: _decode_bind,
    PduType.BIND_ACK: _decode_bind_ack,
    PduType.BIND_NAK: _decode_bind_nak,
    PduType.REQUEST: _decode_request,
    PduType.RESPONSE: _decode_response,
    PduType.FAULT: _decode_fault,
}


def _syntax(syntax: Syntax) -> bytes:
    return syntax.uuid.bytes_le + struct.pack("<HH", syntax.major, syntax.minor)


def _encode_bind(pdu: Bind) -> tuple[int, int, bytes]:
    body = struct.pack("<HHIB3x", pdu.max_transmit, pdu.max_receive, pdu.group, len(pdu.offers))
    for offer in pdu.offers:
        body += struct.pack("<HBx", offer.context, len(offer.transfers)) + _syntax(offer.abstract)
        body += b"".join(_syntax(transfer) for transfer in offer.transfers)
    return PduType.BIND, _FIRST | _LAST, body


def _encode_bind_ack(pdu: BindAck) -> tuple[int, int, bytes]:
    body = struct.pack("<HHIH", pdu.max_transmit, pdu.max_receive, pdu.group, len(pdu.secondary_address))
    body += pdu.secondary_address
    body += b"\0" * (-len(body) % 4) + struct.pack("<B3x", len(pdu.results))
    body += b"".join(struct.pack("<HH", r.result, r.reason) + _syntax(r.transfer) for r in pdu.results)
    return PduType.BIND_ACK, _FIRST | _LAST, body


def _encode_bind_nak(pdu: BindNak) -> tuple[int, int, bytes]:
    return PduType.BIND_NAK, _FIRST | _LAST, struct.pack("<HBBB3x", pdu.reason, 1, 5, 0)


def _encode_request(pdu: Request) -> tuple[int, int, bytes]:
    flags = _FIRST * pdu.first | _LAST * pdu.last | _HAS_OBJECT * (pdu.object is not None)
    thing = pdu.object.bytes_le if pdu.object is not None else b""
    return PduType.REQUEST, flags, struct.pack("<IHH", len(pdu.stub), pdu.context, pdu.operation) + thing + pdu.stub


def _encode_response(pdu: Response) -> tuple[int, int, bytes]:
    flags = _FIRST * pdu.first | _LAST * pdu.last
    return PduType.RESPONSE, flags, struct.pack("<IHBx", len(pdu.stub), pdu.context, 0) + pdu.stub


def _encode_fault(pdu: Fault) -> tuple[int, int, bytes]:
    return PduType.FAULT, _FIRST | _LAST, struct.pack("<IHBxI4x", 0, pdu.context, 0, pdu.status)


_ENCODERS: dict[type, Callable[..., tuple[int, int, bytes]]] = {
    Bind: _encode_bind,
    BindAck: _encode_bind_ack,
    BindNak: _encode_bind_nak,
    Request: _encode_request,
    Response: _encode_response,
    Fault: _encode_fault,
}
