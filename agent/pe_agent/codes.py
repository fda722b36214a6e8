"""What does an error code mean? Win32, HRESULT, NTSTATUS and RPC status values from codes.toml."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from pe_agent.errors import UsageError
from pe_agent.toml_row import Row

_CODE = re.compile(r"[+-]?\d{1,10}|0[xX][0-9a-fA-F]{1,8}")
_FACILITY_WIN32 = 7
# HRESULT facilities, [MS-ERREF] 2.1.
_FACILITIES = {0: "general", 1: "RPC", 4: "the program's own", 7: "Win32", 11: "certificates", 25: "HTTP"}


class Kind(StrEnum):
    """Which list a code is from."""

    WIN32 = "win32"
    HRESULT = "hresult"
    NTSTATUS = "ntstatus"
    RPC = "rpc"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """A code in words; `number` is the code as 32 bits, `source` where the meaning is from."""

    number: int
    kind: Kind
    name: str
    text: str
    advice: str
    source: str

    @property
    def hex(self) -> str:
        """As logs write it, in lower case: 0x800706ba."""
        return f"0x{self.number:08x}"


def looks_like_code(text: str) -> bool:
    """Whether a word is a number: 1722, -2147023174, 0x800706BA."""
    return _CODE.fullmatch(text.strip()) is not None


def explain_code(text: str) -> CodeMeaning:
    """The meaning of a code as people type it; one that is in no list is at least taken apart.

    Raises:
        UsageError: it is no number of 32 bits.
    """
    if not looks_like_code(text):
        raise UsageError(f"{text!r} is no error code; write it as 0x800706BA, 1722 or -2147023174")
    number = int(text, 0) if text.strip().lower().startswith("0x") else int(text)
    if not -(1 << 31) <= number < 1 << 32:
        raise UsageError(f"{text} does not fit into 32 bits")
    number &= 0xFFFF_FFFF
    table = _table()
    direct = table.get((number, False)) or table.get((_win32_in(number), True))
    if direct is None:
        return _taken_apart(number)
    return CodeMeaning(number, direct.kind, direct.name, direct.text, direct.advice, direct.source)


def _win32_in(number: int) -> int:
    """The Win32 code inside an HRESULT of facility 7; any other number as it is."""
    return number & 0xFFFF if number >> 16 == 0x8000 | _FACILITY_WIN32 else number


def _taken_apart(number: int) -> CodeMeaning:
    ask = "Search for the hexadecimal form together with the text of the log line."
    source = "[MS-ERREF] 2"
    if number == 0:
        return CodeMeaning(0, Kind.WIN32, "ERROR_SUCCESS", "No error.", "Nothing to do.", source)
    if number >> 16 == 0x8000 | _FACILITY_WIN32:
        text = f"HRESULT of Win32 error {number & 0xFFFF}, which is not in this list."
        return CodeMeaning(number, Kind.WIN32, "", text, ask, source)
    if number >> 30 == 3:
        # Bit 29 says in NTSTATUS and HRESULT alike that not Microsoft's lists define the number.
        if number >> 29 & 1:
            text = "Defined by a program (customer-defined), or an NTSTATUS of its own; not in this list."
            return CodeMeaning(number, Kind.UNKNOWN, "", text, ask, source)
        text = "An NTSTATUS error, or a number of Windows Setup, which uses the same bits; not in this list."
        return CodeMeaning(number, Kind.NTSTATUS, "", text, ask, source)
    if number >> 31:
        facility = number >> 16 & 0x7FF
        name = _FACILITIES.get(facility, "not known here")
        text = f"HRESULT of facility {facility} ({name}), code {number & 0xFFFF}; not in this list."
        return CodeMeaning(number, Kind.HRESULT, "", text, ask, source)
    return CodeMeaning(number, Kind.UNKNOWN, "", "A code that is not in this list.", ask, source)


@functools.cache
def _table() -> Mapping[tuple[int, bool], CodeMeaning]:
    """(number, whether it is a Win32 code) -> meaning."""
    name = "codes.toml"
    document = tomllib.loads(resources.files("pe_agent").joinpath(name).read_text(encoding="utf-8"))
    meanings = [_meaning(Row(name, n, row)) for n, row in enumerate(document["code"], 1)]
    return {(m.number, m.kind is Kind.WIN32): m for m in meanings}


def _meaning(row: Row) -> CodeMeaning:
    meaning = CodeMeaning(
        number=row.code(row.text("number")),
        kind=row.word("kind", Kind),
        name=row.text("name"),
        text=row.text("text"),
        advice=row.text("advice"),
        source=row.text("source"),
    )
    row.done()
    return meaning
