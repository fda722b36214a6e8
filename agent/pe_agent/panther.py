"""What does a Windows Setup log say, record by record? Octets in, records out, in constant memory.

The columns of setupact.log and setuperr.log: `YYYY-MM-DD HH:MM:SS, level(10) id(10) component(6) text`, each followed
by one blank; wpeinit.log has the first two only. Copies in forums lose the stamp and collapse the blanks.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

# A line, or a record of many lines, that is longer is split into more records.
MOST_OCTETS = 64 * 1024

_NARROW = "utf-8"
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,7})?"
_LEVELS = r"(?:Fatal Error|Info|Warning|Error|Debug|Perf)"
_ID = r"\[0x[0-9A-Fa-f]{6}\]"
_COMPONENTS = r"(?:SP|IBSLIB|IBS|MOUPG|MIG|SYSPRP|DISM|CONX|PANTHR|CBS|UI|DIAG|CSI|CMI|TOOL|DPX|WDS)"
# Where a record begins. Without a stamp a level alone is not enough: continuation lines may begin with such a word.
_BEGINS = re.compile(
    rf"(?:\xef\xbb\xbf)?(?:{_STAMP}, |"
    rf"[ \t]*{_LEVELS}[ \t]+(?:\"|(?:{_ID}[ \t]+)?{_COMPONENTS}[ \t]+\S|{_ID}[ \t])|"
    r"(?:Info {6}|Warning {3}|Error {5})(?=\S))".encode("latin-1")
).match
# Lines of other programs in a file of the same name: never a continuation of a Setup record.
_FOREIGN = re.compile(rb"[\w-]+\.(?:dll|exe): |\[\d\d/\d\d/\d{4} |<!\[LOG\[").match
_FIRST_OF_PAIR = re.compile("[\ud800-\udbff]").match
_COLUMNS = re.compile(rf"({_STAMP}), (.{{10}}) ({_ID}| {{10}}) (.{{6}}) (.*)", re.DOTALL)
_LOOSE = re.compile(
    rf"(?:({_STAMP}),)?\s*({_LEVELS})(?:\s+|$)(?:({_ID})\s+)?(?:({_COMPONENTS})\s+(?=\S))?(.*)", re.DOTALL
)
_STAMPED = re.compile(rf"({_STAMP}), ?(.*)", re.DOTALL)
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

    time: str
    level: str
    message_id: str
    component: str
    code: int | None
    text: str


@dataclass(slots=True)
class LogRecord:
    """One record, its columns read when they are first asked for.

    `line` counts from 1; `octets` is the record with its line ends, in UTF-8 when the file was UTF-16;
    `explained` is False for a line that no format explains: it has only `line` and `text`.
    """

    line: int
    octets: bytes
    encoding: str = _NARROW
    explained: bool = False
    _fields: Fields | None = field(default=None, repr=False, compare=False)

    @property
    def raw(self) -> bytes:
        """The octets as the file has them: those of all records, joined, are the file."""
        if self.encoding == _NARROW:
            return self.octets
        return self.octets.decode("utf-8", "surrogatepass").encode(self.encoding, "surrogatepass")

    @property
    def fields(self) -> Fields:
        """All columns at once."""
        if self._fields is None:
            self._fields = _read_columns(_decode(self.octets, self.encoding), explained=self.explained)
        return self._fields

    @property
    def time(self) -> str:
        """The local time as written."""
        return self.fields.time

    @property
    def level(self) -> str:
        """Info, Warning, Error ..."""
        return self.fields.level

    @property
    def message_id(self) -> str:
        """Six hexadecimal digits with 0x, as in 0x0601c1."""
        return self.fields.message_id

    @property
    def component(self) -> str:
        """IBS, MOUPG ..."""
        return self.fields.component

    @property
    def code(self) -> int | None:
        """The error code the message names, else the one in [gle=]."""
        return self.fields.code

    @property
    def text(self) -> str:
        """The message, continuation lines joined by line feeds."""
        return self.fields.text


def encoding_of(head: bytes) -> str:
    """`utf-16-le` or `utf-16-be` by the byte order mark, else `utf-8` (with lines of another code page in it)."""
    return _WIDE.get(head[:2], _NARROW)


def read_records(chunks: Iterable[bytes]) -> Iterator[LogRecord]:
    """Records from a file's octets in pieces of any size; nothing is dropped, whatever the octets are."""
    pieces = iter(chunks)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= 2:
            break
    encoding = encoding_of(head)
    everything = itertools.chain((head,), pieces)
    if encoding == _NARROW:
        yield from _gather(everything, encoding)
        return
    wide = _Wide(encoding)
    line = 1
    for record in _gather(wide.narrowed(everything), encoding):
        line = record.line + record.octets.count(b"\n")
        yield record
    if wide.odd:
        yield LogRecord(line, wide.odd)


class _Wide:
    """UTF-16 on its way to UTF-8, lone surrogates kept; `odd` is what a character at the very end lacks a part of."""

    def __init__(self, encoding: str) -> None:
        self.odd = b""
        self._encoding = encoding

    def narrowed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            octets = self.odd + chunk
            even = len(octets) & ~1
            if even and _FIRST_OF_PAIR(octets[even - 2 : even].decode(self._encoding, "surrogatepass")):
                even -= 2
            self.odd = octets[even:]
            yield octets[:even].decode(self._encoding, "surrogatepass").encode("utf-8", "surrogatepass")


def _gather(chunks: Iterable[bytes], encoding: str) -> Iterator[LogRecord]:
    """Lines to records: a line that begins no record continues the one before, if a format explains that."""
    held = b""
    more: list[bytes] = []
    held_line = held_octets = 0
    number, whole, explained = 1, True, True
    for line in _lines(chunks):
        begins = whole and _BEGINS(line) is not None
        if held and not begins and whole and held_octets + len(line) <= MOST_OCTETS and not _FOREIGN(line):
            more.append(line)
            held_octets += len(line)
        else:
            if held:
                yield LogRecord(held_line, b"".join((held, *more)) if more else held, encoding, explained)
                more = []
            if begins:
                held, held_line, held_octets = line, number, len(line)
            else:
                held = b""
                yield LogRecord(number, line, encoding)
        whole = line[-1] == 10
        number += whole
    if held:
        yield LogRecord(held_line, b"".join((held, *more)), encoding, explained)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their line feeds; a line of more than MOST_OCTETS comes in pieces of that size."""
    rest = b""
    for chunk in chunks:
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            if len(piece) <= MOST_OCTETS:
                yield piece + b"\n"
            else:
                slices = _slices(piece)
                yield from slices[:-1]
                yield slices[-1] + b"\n"
        if len(rest) > MOST_OCTETS:
            *slices, rest = _slices(rest)
            yield from slices
    if rest:
        yield rest


def _slices(line: bytes) -> list[bytes]:
    """A line in pieces of at most MOST_OCTETS, never inside a UTF-8 sequence; the last piece is not empty."""
    slices = []
    start = 0
    while len(line) - start > MOST_OCTETS:
        end = start + MOST_OCTETS
        # A sequence has at most three continuation octets; octets that are no UTF-8 are cut anywhere.
        end = next((at for at in range(end, end - 4, -1) if line[at] & 0xC0 != 0x80), end)
        slices.append(line[start:end])
        start = end
    return [*slices, line[start:]]


def _decode(octets: bytes, encoding: str) -> str:
    """UTF-8, else line by line: Setup writes UTF-8 and the machine's code page into one file."""
    if encoding != _NARROW:
        return octets.decode("utf-8", "replace")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return "\n".join(map(_decode_line, octets.split(b"\n")))


def _decode_line(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def _read_columns(text: str, *, explained: bool) -> Fields:
    """The columns, strict before loose; a stamp alone before none."""
    text = text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r").replace("\r\n", "\n")
    if not explained:
        return Fields("", "", "", "", None, text)
    match = _COLUMNS.fullmatch(text) or _LOOSE.fullmatch(text)
    if match is None:
        stamped = _STAMPED.fullmatch(text)
        time, message = stamped.groups() if stamped else ("", text)
        return Fields(time, "", "", "", code_in(message), message)
    time, level, message_id, component, message = (group or "" for group in match.groups())
    message = _unquoted(message)
    return Fields(time, level.strip(), message_id.strip(" []"), component.strip(), code_in(message), message)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def code_in(text: str) -> int | None:
    """The error code a message names; None when it names none."""
    if "0x" not in text and "0X" not in text:
        return None
    match = next((m for pattern in _CODES if (m := pattern.search(text))), None)
    return int(match.group(1), 16) if match else None
