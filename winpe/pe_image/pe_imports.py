"""Which DLLs, and which names in them, does a program need to be loaded, and which names does a DLL offer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pe_image.pe_headers import DELAY_IMPORTS, EXPORTS, IMPORTS, PeFile, PeFormatError

_MOST_DLLS = 1000
_MOST_SYMBOLS = 65536


@dataclass(frozen=True, slots=True)
class Import:
    """One DLL a program names. `symbols`: an import by number is `#12`. `delayed`: looked for at the first call."""

    dll: str
    symbols: tuple[str, ...]
    delayed: bool = False


def imports_of(file: PeFile) -> tuple[Import, ...]:
    """Normal and delayed imports; names of DLLs in lower case.

    Raises:
        PeFormatError: a table points outside of the file.
    """
    return (*_normal_imports(file), *_delayed_imports(file))


def exports_of(file: PeFile) -> frozenset[str]:
    """Every name and number (`#12`) that a DLL offers.

    Raises:
        PeFormatError: a table points outside of the file.
    """
    address, _ = file.directory(EXPORTS)
    if not address:
        return frozenset()
    base, functions, names, _, names_at = file.unpack("<16xIIIII", address)
    if max(functions, names) > _MOST_SYMBOLS:
        raise PeFormatError(f"claims {max(functions, names)} exports")
    named = {file.text_at(*file.unpack("<I", names_at + 4 * number)) for number in range(names)}
    return frozenset(named | {f"#{base + number}" for number in range(functions)})


def _normal_imports(file: PeFile) -> Iterator[Import]:
    address, _ = file.directory(IMPORTS)
    for number in range(_MOST_DLLS if address else 0):
        lookup, _, _, name, bound = file.unpack("<IIIII", address + 20 * number)
        if not name:
            return
        yield Import(file.text_at(name).lower(), tuple(_symbols(file, lookup or bound)))


def _delayed_imports(file: PeFile) -> Iterator[Import]:
    address, _ = file.directory(DELAY_IMPORTS)
    for number in range(_MOST_DLLS if address else 0):
        attributes, name, _, _, lookup = file.unpack("<IIIII", address + 32 * number)
        if not name:
            return
        if not attributes & 1:
            # Visual C++ 6 wrote addresses instead of RVAs here; nothing of that age is in a payload.
            raise PeFormatError("has a delay import table of the old kind")
        yield Import(file.text_at(name).lower(), tuple(_symbols(file, lookup)), delayed=True)


def _symbols(file: PeFile, table: int) -> Iterator[str]:
    form, size, by_number = ("<Q", 8, 1 << 63) if file.wide else ("<I", 4, 1 << 31)
    for number in range(_MOST_SYMBOLS):
        (entry,) = file.unpack(form, table + size * number)
        if not entry:
            return
        # Before the name stands a hint of two octets.
        yield f"#{entry & 0xFFFF}" if entry & by_number else file.text_at((entry & 0x7FFFFFFF) + 2)
