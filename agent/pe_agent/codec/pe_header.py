"""Which firmware can run a boot program, told from its first octets?

Source: PE format specification (learn.microsoft.com "PE Format"), section "COFF file header".
"""

from __future__ import annotations

from pe_agent.errors import DecodeError

BIOS_PROGRAM = "bios-nbp"
_HEADER_AT = 0x3C
_MACHINES = {0x014C: "x86", 0x8664: "x64", 0x01C0: "arm", 0x01C2: "arm", 0x01C4: "arm", 0xAA64: "arm64"}


def file_architecture(start: bytes) -> str:
    """`x86`, `x64`, `arm` or `arm64` of an EFI program; `bios-nbp` of what has no such header (16-bit code).

    A machine type without a name is given as its number, as in `0x0200`.

    Raises:
        DecodeError: the header begins behind the octets given, or nothing was given.
    """
    if not start:
        raise DecodeError("boot program without octets")
    if start[:2] != b"MZ":
        return BIOS_PROGRAM
    at = int.from_bytes(start[_HEADER_AT : _HEADER_AT + 4], "little")
    if len(start) < _HEADER_AT + 4 or at + 6 > len(start):
        raise DecodeError(f"boot program whose PE header lies behind its first {len(start)} octets")
    if start[at : at + 4] != b"PE\0\0":
        return BIOS_PROGRAM
    machine = int.from_bytes(start[at + 4 : at + 6], "little")
    return _MACHINES.get(machine, f"0x{machine:04x}")
