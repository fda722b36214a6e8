"""What kind of program is this file, and where in it lie its tables? (Microsoft PE/COFF specification)"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pe_image.errors import ImageError

# IMAGE_FILE_MACHINE_* and the words that the rest of pe-image uses for them.
MACHINES = {0x014C: "x86", 0x8664: "x64", 0xAA64: "arm64", 0x01C4: "arm"}
EXPORTS, IMPORTS, CERTIFICATES, DELAY_IMPORTS = 0, 1, 4, 13
_OPTIONAL_MAGIC_32, _OPTIONAL_MAGIC_64 = 0x10B, 0x20B
_MOST_SECTIONS = 96
_LONGEST_NAME = 512
# The signature of VS_FIXEDFILEINFO (learn.microsoft.com, verrsrc.h).
_FIXED_FILE_INFO = struct.pack("<I", 0xFEEF04BD)


class PeFormatError(ImageError):
    """Not a PE file, or one whose tables point outside of it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section: where it lies in memory (`rva`, `size`) and in the file (`offset`, `file_size`), in octets."""

    rva: int
    size: int
    offset: int
    file_size: int


@dataclass(frozen=True, slots=True)
class PeFile:
    """A PE file read into memory.

    Attributes:
        machine: `x86`, `x64`, `arm64`, `arm`, or the number in hexadecimal.
        optional_at: offset of the optional header.
        directories: (address, size) of each data directory; addresses are RVAs but that of CERTIFICATES, an offset.
    """

    octets: bytes
    machine: str
    wide: bool
    optional_at: int
    directories_at: int
    directories: tuple[tuple[int, int], ...]
    sections: tuple[Section, ...]

    def directory(self, number: int) -> tuple[int, int]:
        """Address and size of a data directory; (0, 0) when the file has none."""
        return self.directories[number] if number < len(self.directories) else (0, 0)

    def unpack(self, form: str, rva: int) -> tuple[int, ...]:
        """Integers at an RVA, in `struct` form.

        Raises:
            PeFormatError: no section holds all of them.
        """
        return unpack_at(form, self.octets, self.offset_of(rva))

    def text_at(self, rva: int) -> str:
        """The zero-ended ASCII name at an RVA.

        Raises:
            PeFormatError: it lies outside of the file, has no end, or is longer than any name is.
        """
        start = self.offset_of(rva)
        end = self.octets.find(b"\0", start, start + _LONGEST_NAME)
        if end < 0:
            raise PeFormatError(f"the name at {rva:#x} has no end")
        return self.octets[start:end].decode("ascii", "replace")

    def offset_of(self, rva: int) -> int:
        """Where in the file an RVA lies.

        Raises:
            PeFormatError: in no section.
        """
        for section in self.sections:
            if section.rva <= rva < section.rva + section.file_size:
                return section.offset + rva - section.rva
        raise PeFormatError(f"address {rva:#x} lies in no section")


def parse(octets: bytes) -> PeFile:
    """Read the headers of a PE file.

    Raises:
        PeFormatError: it is none.
    """
    if octets[:2] != b"MZ":
        raise PeFormatError("does not begin with MZ")
    (start,) = unpack_at("<I", octets, 0x3C)
    if octets[start : start + 4] != b"PE\0\0":
        raise PeFormatError("has no PE header")
    number, sections, optional_size = unpack_at("<HH12xH", octets, start + 4)
    optional_at = start + 24
    (magic,) = unpack_at("<H", octets, optional_at)
    if magic not in (_OPTIONAL_MAGIC_32, _OPTIONAL_MAGIC_64):
        raise PeFormatError(f"its optional header is of the unknown kind {magic:#x}")
    wide = magic == _OPTIONAL_MAGIC_64
    directories_at = optional_at + (112 if wide else 96)
    return PeFile(
        octets=octets,
        machine=MACHINES.get(number, f"{number:#06x}"),
        wide=wide,
        optional_at=optional_at,
        directories_at=directories_at,
        directories=_directories(octets, directories_at),
        sections=_sections(octets, optional_at + optional_size, sections),
    )


def machine_of(octets: bytes) -> str:
    """The machine a PE file is for; empty when it is no PE file."""
    try:
        return parse(octets).machine
    except PeFormatError:
        return ""


def file_version(octets: bytes) -> tuple[int, int, int, int] | None:
    """The four numbers of the version that a program's VS_FIXEDFILEINFO says; None when it has none."""
    at = octets.find(_FIXED_FILE_INFO)
    if at < 0:
        return None
    second, first, fourth, third = unpack_at("<HHHH", octets, at + 8)
    return first, second, third, fourth


def unpack_at(form: str, octets: bytes, offset: int) -> tuple[int, ...]:
    """`struct.unpack_from` that says PeFormatError when the file ends too early."""
    try:
        return struct.unpack_from(form, octets, offset)
    except struct.error as exc:
        raise PeFormatError(f"ends before offset {offset + struct.calcsize(form):#x}") from exc


def _directories(octets: bytes, start: int) -> tuple[tuple[int, int], ...]:
    (count,) = unpack_at("<I", octets, start - 4)
    rows = (unpack_at("<II", octets, start + 8 * number) for number in range(min(count, 16)))
    return tuple((address, size) for address, size in rows)


def _sections(octets: bytes, start: int, count: int) -> tuple[Section, ...]:
    if count > _MOST_SECTIONS:
        raise PeFormatError(f"claims {count} sections")
    rows = (unpack_at("<8xIIII", octets, start + 40 * number) for number in range(count))
    return tuple(Section(rva, size, offset, file_size) for size, rva, file_size, offset in rows)
