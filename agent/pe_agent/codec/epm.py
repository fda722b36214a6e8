"""The endpoint mapper's question `ept_map` and its answer: which port serves this interface?

Source: C706 appendix L (protocol towers), appendix O (ept interface), [MS-RPCE] 2.2.1.2; NDR of C706 chapter 14.
"""

from __future__ import annotations

import ipaddress
import struct
import uuid
from dataclasses import dataclass

from pe_agent.codec.rpc import NDR32, Syntax
from pe_agent.errors import DecodeError

EPM = Syntax(uuid.UUID("e1af8308-5d1f-11c9-91a4-08002b14a0fa"), 3)
OPERATION_MAP = 3
NOT_REGISTERED = 0x16C9A0D6

_UUID_FLOOR, _TCP_FLOOR, _IP_FLOOR, _CONNECTION_FLOOR = 0x0D, 0x07, 0x09, 0x0B
_HANDLE_OCTETS = 20
# Bounds on what a peer may claim; real towers have 5 or 6 floors and about 75 octets.
MAX_TOWERS, MAX_FLOORS, MAX_TOWER_OCTETS = 64, 16, 2048


@dataclass(frozen=True, slots=True)
class Tower:
    """One way to reach an interface; `tcp_port` or `address` is None when the tower names none."""

    interface: Syntax
    tcp_port: int | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class MapReply:
    """What the mapper answered: `status` 0 with towers, or why it has none."""

    status: int
    towers: tuple[Tower, ...] = ()


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What a client asked the mapper."""

    tower: Tower
    max_towers: int


def encode_tower(tower: Tower) -> bytes:
    """A tower of five floors: interface, NDR32, connection-oriented RPC, TCP, IP; absent values become zero."""
    address = ipaddress.IPv4Address(tower.address or "0.0.0.0").packed
    floors = (
        (_uuid_floor(tower.interface), struct.pack("<H", tower.interface.minor)),
        (_uuid_floor(NDR32), struct.pack("<H", NDR32.minor)),
        (bytes((_CONNECTION_FLOOR,)), b"\0\0"),
        (bytes((_TCP_FLOOR,)), struct.pack(">H", tower.tcp_port or 0)),
        (bytes((_IP_FLOOR,)), address),
    )
    parts = [struct.pack("<H", len(left)) + left + struct.pack("<H", len(right)) + right for left, right in floors]
    return struct.pack("<H", len(floors)) + b"".join(parts)


def decode_tower(octets: bytes) -> Tower:
    """A tower; its numbers are little-endian whatever the PDU says, but port and address (C706 appendix L).

    Raises:
        DecodeError: cut short, too many floors, or no interface on the first floor.
    """
    floors = _floors(octets)
    if not floors or floors[0][0][:1] != bytes((_UUID_FLOOR,)) or len(floors[0][0]) != 19 or len(floors[0][1]) != 2:
        raise DecodeError("protocol tower without an interface on its first floor")
    left, minor = floors[0]
    major = int.from_bytes(left[17:19], "little")
    interface = Syntax(uuid.UUID(bytes_le=left[1:17]), major, int.from_bytes(minor, "little"))
    values = {left[0]: right for left, right in floors[1:] if left}
    port, address = values.get(_TCP_FLOOR, b""), values.get(_IP_FLOOR, b"")
    return Tower(
        interface=interface,
        tcp_port=int.from_bytes(port, "big") or None if len(port) == 2 else None,
        address=str(ipaddress.IPv4Address(address)) if len(address) == 4 and any(address) else None,
    )


def encode_map_request(interface: Syntax, max_towers: int = 4) -> bytes:
    """The stub of ept_map: no object, any TCP endpoint of the interface.

    The two pointers are 1 and 2 and the object is the nil UUID: Windows Server 2003 refuses anything else.
    """
    octets = encode_tower(Tower(interface))
    no_object = struct.pack("<I16x", 1)
    tower = struct.pack("<I", 2) + _counted_tower(octets)
    return no_object + tower + bytes(_HANDLE_OCTETS) + struct.pack("<I", max_towers)


def decode_map_request(stub: bytes) -> MapRequest:
    """The other half of `encode_map_request`, little-endian.

    Raises:
        DecodeError: cut short, or no tower.
    """
    reader = _Ndr(stub, "<")
    if reader.number():
        reader.raw(16)
    if not reader.number():
        raise DecodeError("ept_map asks for no tower")
    tower = decode_tower(reader.tower())
    reader.raw(_HANDLE_OCTETS)
    return MapRequest(tower, reader.number())


def encode_map_reply(reply: MapReply, max_towers: int = 4) -> bytes:
    """The stub of an answer, as a mapper writes it."""
    count = len(reply.towers)
    array = struct.pack("<IIII", count, max(max_towers, count), 0, count)
    array += b"".join(struct.pack("<I", 3 + number) for number in range(count))
    towers = b"".join(_counted_tower(encode_tower(tower)) for tower in reply.towers)
    return bytes(_HANDLE_OCTETS) + array + towers + struct.pack("<I", reply.status)


def decode_map_reply(stub: bytes, order: str = "<") -> MapReply:
    """The answer to ept_map; `order` is `<` or `>`, the byte order of the PDU it came in.

    Raises:
        DecodeError: cut short, or claims more than can be meant.
    """
    reader = _Ndr(stub, order)
    reader.raw(_HANDLE_OCTETS)
    reader.number()
    room, offset, count = reader.number(), reader.number(), reader.number()
    if count > MAX_TOWERS or offset or count > room:
        raise DecodeError(f"ept_map answer claims {count} towers at {offset} in room for {room}")
    pointers = [reader.number() for _ in range(count)]
    towers = tuple(decode_tower(reader.tower()) for pointer in pointers if pointer)
    return MapReply(reader.number(), towers)


class _Ndr:
    """A reader of NDR: numbers stand at multiples of four."""

    def __init__(self, octets: bytes, order: str) -> None:
        self.octets, self.order, self.at = octets, order, 0

    def number(self) -> int:
        self.at += -self.at % 4
        return int(struct.unpack(self.order + "I", self.raw(4))[0])

    def raw(self, count: int) -> bytes:
        if self.at + count > len(self.octets):
            raise DecodeError(f"ept_map stub of {len(self.octets)} octets ends within a field at {self.at}")
        self.at += count
        return self.octets[self.at - count : self.at]

    def tower(self) -> bytes:
        room, length = self.number(), self.number()
        if length > MAX_TOWER_OCTETS or length != room:
            raise DecodeError(f"protocol tower claims {length} octets in room for {room}")
        return self.raw(length)


def _floors(octets: bytes) -> list[tuple[bytes, bytes]]:
    count = int.from_bytes(octets[:2], "little")
    if len(octets) < 2 or count > MAX_FLOORS:
        raise DecodeError(f"protocol tower of {len(octets)} octets claims {count} floors")
    floors, at = [], 2
    for _ in range(count):
        left, at = _counted(octets, at)
        right, at = _counted(octets, at)
        floors.append((left, right))
    return floors


def _counted(octets: bytes, at: int) -> tuple[bytes, int]:
    start = at + 2
    end = start + int.from_bytes(octets[at:start], "little")
    if start > len(octets) or end > len(octets):
        raise DecodeError(f"protocol tower of {len(octets)} octets ends within a floor")
    return octets[start:end], end


def _uuid_floor(syntax: Syntax) -> bytes:
    return bytes((_UUID_FLOOR,)) + syntax.uuid.bytes_le + struct.pack("<H", syntax.major)


def _counted_tower(octets: bytes) -> bytes:
    return struct.pack("<II", len(octets), len(octets)) + octets + b"\0" * (-len(octets) % 4)
