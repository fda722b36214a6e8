"""What is a record of a log, whatever the format? Its octets, its line, and columns that are read when asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from pe_agent.encoding import NARROW

# A code the message itself names comes before GetLastError at the time of logging, which is often unrelated.
_CODES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:error(?: code)?|hr|hresult|result|status|returned|rc)\s*[:=]?\s*[\[(]?\s*0x([0-9a-f]{1,8})\b",
        r"(?<![\w=])0x([0-9a-f]{8})\b",
        r"\[gle=0x([0-9a-f]{8})\]",
    )
)


class Fields(NamedTuple):
    """What the columns of a record say; an empty string where the line has no such column."""

    time: str = ""
    level: str = ""
    message_id: str = ""
    component: str = ""
    code: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class LineFeeds:
    """Finds the line feed before a line that begins a record, is foreign, or is a record's last one."""

    begins: re.Pattern[bytes]
    foreign: re.Pattern[bytes] | None = None
    ends: re.Pattern[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a format is cut into records; all functions are pure and take any octets.

    `begins` and `foreign` look at a line: the second one is never a continuation. `ends` says that a line is the last
    one of its record; without it a record lasts until the next one begins. `columns` reads a whole record. A line
    ends with `delimiter`. `line_feeds` says the same of the lines for a search in many of them at once.
    """

    begins: Callable[[bytes], object]
    columns: Callable[[str], Fields]
    foreign: Callable[[bytes], object] | None = None
    ends: Callable[[bytes], object] | None = None
    delimiter: bytes = b"\n"
    line_feeds: LineFeeds | None = None


def line_grammar(begins: str, columns: Callable[[str], Fields], foreign: str = "", ends: str = "") -> Grammar:
    """A format of lines told by how they start: regular expressions that look at one line only.

    A record may start with a byte order mark.
    """
    started = rf"(?:\xef\xbb\xbf)?(?:{begins})"
    return Grammar(
        begins=_octets(started).match,
        columns=columns,
        foreign=_octets(foreign).match if foreign else None,
        ends=_octets(ends).match if ends else None,
        line_feeds=LineFeeds(
            begins=_octets(rf"\n(?={started})"),
            foreign=_octets(rf"\n(?={foreign})") if foreign else None,
            ends=_octets(rf"\n(?={ends})") if ends else None,
        ),
    )


def _octets(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"))


@dataclass(slots=True)
class LogRecord:
    """One record, its columns read when they are first asked for.

    `line` counts from 1; `octets` is the record with its line ends, in UTF-8 when the file was UTF-16;
    `columns` is None for a line that no format explains: it has only `line` and `text`.
    """

    line: int
    octets: bytes
    encoding: str = NARROW
    columns: Callable[[str], Fields] | None = None
    _fields: Fields | None = field(default=None, repr=False, compare=False)

    @property
    def explained(self) -> bool:
        """Whether the format knows what this record is."""
        return self.columns is not None

    @property
    def raw(self) -> bytes:
        """The octets as the file has them: those of all records, joined, are the file."""
        if self.encoding == NARROW:
            return self.octets
        return self.octets.decode("utf-8", "surrogatepass").encode(self.encoding, "surrogatepass")

    @property
    def fields(self) -> Fields:
        """All columns at once."""
        if self._fields is None:
            text = _trimmed(decode(self.octets, self.encoding))
            self._fields = self.columns(text) if self.columns else Fields(text=text)
        return self._fields

    @property
    def time(self) -> str:
        """The time as written."""
        return self.fields.time

    @property
    def level(self) -> str:
        """Info, Warning, Error ..."""
        return self.fields.level

    @property
    def message_id(self) -> str:
        """What the format calls the kind of message: 0x0601c1, the number of an event, DHCPOFFER."""
        return self.fields.message_id

    @property
    def component(self) -> str:
        """Who wrote it: IBS, MOUPG, TSPxe, WdsImgSrv ..."""
        return self.fields.component

    @property
    def code(self) -> int | None:
        """The error code the message names, else the one in [gle=]."""
        return self.fields.code

    @property
    def text(self) -> str:
        """The message, continuation lines joined by line feeds."""
        return self.fields.text


def decode(octets: bytes, encoding: str = NARROW) -> str:
    """UTF-8, else line by line: Setup writes UTF-8 and the machine's code page into one file."""
    if encoding != NARROW:
        return octets.decode("utf-8", "replace")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return "\n".join(map(_decode_line, octets.split(b"\n")))


def code_in(text: str) -> int | None:
    """The error code a message names; None when it names none."""
    if "0x" not in text and "0X" not in text:
        return None
    match = next((m for pattern in _CODES if (m := pattern.search(text))), None)
    return int(match.group(1), 16) if match else None


def _decode_line(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def _trimmed(text: str) -> str:
    return text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r").replace("\r\n", "\n")
