"""The marks of a machine and what its processors can do, from its SMBIOS table.

Source: DMTF DSP0134 (System Management BIOS Reference Specification) 6.1.2, 7.2, 7.5; GetSystemFirmwareTable('RSMB').
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pe_agent.errors import DecodeError

_SYSTEM_INFORMATION, _PROCESSOR, _END_OF_TABLE = 1, 4, 127
# RawSMBIOSData: calling method, major, minor, DMI revision, length of the table.
_RAW_HEADER = struct.Struct("<BBBBI")
_UUID_AT = 8
# A word since SMBIOS 2.5; its two lowest bits are "reserved" and "unknown".
_CHARACTERISTICS_AT, _TOLD, _64_BIT_CAPABLE = 0x26, 0xFFFC, 0x0004
_CENTRAL_PROCESSOR = 3


@dataclass(frozen=True, slots=True)
class SystemInformation:
    """Structure type 1. Empty strings mean: not filled in."""

    manufacturer: str = ""
    product: str = ""
    serial: str = ""
    uuid: str = ""


def decode_raw(octets: bytes) -> SystemInformation:
    """What GetSystemFirmwareTable('RSMB') returns, as the system's marks.

    Raises:
        DecodeError: the header is cut, or a structure claims more than there is.
    """
    version, table = _table(octets)
    for kind, formatted, strings in _structures(table):
        if kind == _SYSTEM_INFORMATION:
            return _system(formatted, strings, swapped=version >= (2, 6))
    return SystemInformation()


def decode_64_bit_capable(octets: bytes) -> bool | None:
    """Whether some processor can run 64-bit code, whatever runs on it; None where the firmware does not tell.

    Firmware that leaves all characteristics at 0, as that of virtual machines does, tells nothing.

    Raises:
        DecodeError: as `decode_raw`.
    """
    words = [
        int.from_bytes(formatted[_CHARACTERISTICS_AT : _CHARACTERISTICS_AT + 2], "little")
        for kind, formatted, _ in _structures(_table(octets)[1])
        if kind == _PROCESSOR and formatted[5:6] == bytes((_CENTRAL_PROCESSOR,))
    ]
    told = [word for word in words if word & _TOLD]
    return any(word & _64_BIT_CAPABLE for word in told) if told else None


def _table(octets: bytes) -> tuple[tuple[int, int], bytes]:
    """Version of the specification, and the structures."""
    if len(octets) < _RAW_HEADER.size:
        raise DecodeError(f"SMBIOS data of {len(octets)} octets; its header alone has {_RAW_HEADER.size}")
    _, major, minor, _, length = _RAW_HEADER.unpack_from(octets)
    return (major, minor), octets[_RAW_HEADER.size : _RAW_HEADER.size + length]


def _structures(table: bytes) -> Iterator[tuple[int, bytes, tuple[str, ...]]]:
    at = 0
    while at + 4 <= len(table):
        kind, length = table[at], table[at + 1]
        if length < 4 or at + length > len(table):
            raise DecodeError(f"SMBIOS structure type {kind} at octet {at} claims {length} octets")
        end = table.find(b"\0\0", at + length)
        if end < 0:
            raise DecodeError(f"SMBIOS structure type {kind} at octet {at}: its strings do not end")
        strings = table[at + length : end].split(b"\0")
        yield kind, table[at : at + length], tuple(s.decode("latin-1").strip() for s in strings)
        if kind == _END_OF_TABLE:
            return
        at = end + 2


def _system(formatted: bytes, strings: tuple[str, ...], *, swapped: bool) -> SystemInformation:
    def text(at: int) -> str:
        number = formatted[at] if at < len(formatted) else 0
        return strings[number - 1] if 0 < number <= len(strings) else ""

    octets = formatted[_UUID_AT : _UUID_AT + 16]
    mark = ""
    if len(octets) == 16 and octets not in (bytes(16), b"\xff" * 16):
        import uuid  # noqa: PLC0415 - the first probes do without

        # Since SMBIOS 2.6 the first three fields are little-endian.
        mark = str(uuid.UUID(bytes_le=octets) if swapped else uuid.UUID(bytes=octets))
    return SystemInformation(manufacturer=text(4), product=text(5), serial=text(7), uuid=mark)
