"""How do octets become records? In constant memory, whatever the octets are; nothing is dropped.

A log is cut into stretches of whole records first: what holds nothing of interest need not be parted into records.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pe_agent.encoding import HEAD_OCTETS, NARROW, encoding_of
from pe_agent.readers.gather import MOST_OCTETS, gather_records, split_lines
from pe_agent.readers.quick import part_records
from pe_agent.readers.record import Grammar, LogRecord

__all__ = ["MOST_OCTETS", "Stretch", "read_records", "read_stretches"]

STRETCH_OCTETS = 2 * MOST_OCTETS
# Octets without a place to cut are held up to here; then the rest of the log comes record by record.
MOST_HELD_OCTETS = 16 * MOST_OCTETS
_FIRST_OF_PAIR = re.compile("[\ud800-\udbff]").match


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole records one after the other: their octets (UTF-8 when the file was UTF-16), and how to part them."""

    octets: bytes
    records: Callable[[], Iterator[LogRecord]]


def read_records(chunks: Iterable[bytes], grammar: Grammar) -> Iterator[LogRecord]:
    """Records from a file's octets in pieces of any size."""
    for stretch in read_stretches(chunks, grammar):
        yield from stretch.records()


def read_stretches(chunks: Iterable[bytes], grammar: Grammar) -> Iterator[Stretch]:
    """All octets of a file in stretches, the records of which are those of the file."""
    narrowed = _Narrowed(chunks)
    line = 1
    for stretch in _stretches(narrowed, grammar):
        yield stretch
        line += stretch.octets.count(b"\n")
    if narrowed.odd:
        last = LogRecord(line, narrowed.odd)
        yield Stretch(narrowed.odd, lambda: iter((last,)))


class _Narrowed:
    """UTF-16 on its way to UTF-8, lone surrogates kept; `odd` is what a character at the very end lacks a part of."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        head = b""
        for chunk in self._chunks:
            head += chunk
            if len(head) >= HEAD_OCTETS:
                break
        self._chunks = itertools.chain((head,), self._chunks)
        self.encoding = encoding_of(head)
        self.odd = b""

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks if self.encoding == NARROW else self._narrowed()

    def _narrowed(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            octets = self.odd + chunk
            even = len(octets) & ~1
            if even and _FIRST_OF_PAIR(octets[even - 2 : even].decode(self.encoding, "surrogatepass")):
                even -= 2
            self.odd = octets[even:]
            yield octets[:even].decode(self.encoding, "surrogatepass").encode("utf-8", "surrogatepass")


def _stretches(narrowed: _Narrowed, grammar: Grammar) -> Iterator[Stretch]:
    pieces = iter(narrowed)
    held, line = b"", 1
    for piece in pieces:
        held += piece
        start = 0
        while end := _cut(held, start, grammar):
            octets = held[start:end]
            yield _stretch(octets, grammar, narrowed.encoding, line)
            line += octets.count(b"\n")
            start = end
        held = held[start:]
        if len(held) > MOST_HELD_OCTETS:
            yield from _one_by_one(itertools.chain((held,), pieces), grammar, narrowed.encoding, line)
            return
    if held:
        yield _stretch(held, grammar, narrowed.encoding, line)


def _stretch(octets: bytes, grammar: Grammar, encoding: str, line: int) -> Stretch:
    return Stretch(octets, lambda: part_records(octets, grammar, encoding, line))


def _one_by_one(chunks: Iterable[bytes], grammar: Grammar, encoding: str, line: int) -> Iterator[Stretch]:
    for record in gather_records(split_lines(chunks, grammar.delimiter), grammar, encoding, line):
        yield Stretch(record.octets, lambda record=record: iter((record,)))  # type: ignore[misc]


def _cut(octets: bytes, start: int, grammar: Grammar) -> int:
    """The last place in about a stretch's length where no record is open; 0 when there is none yet."""
    for end in range(start + STRETCH_OCTETS, len(octets) + 1, STRETCH_OCTETS):
        if place := _cut_before(octets, start, end, grammar):
            return place
    return 0


def _cut_before(octets: bytes, start: int, end: int, grammar: Grammar) -> int:
    """Where a record begins, else where none has begun for so long that the one before must have been closed."""
    delimiter = grammar.delimiter
    last = next_line = _after(octets, delimiter, start, end)
    while next_line > start:
        line = _after(octets, delimiter, start, next_line - 1)
        if line > start and next_line - line <= MOST_OCTETS and grammar.begins(octets[line:next_line]):
            return line
        if last - line > MOST_OCTETS:
            return last
        next_line = line
    return 0


def _after(octets: bytes, delimiter: bytes, start: int, end: int) -> int:
    """Behind the last delimiter that ends before `end`; `start` without one."""
    at = octets.rfind(delimiter, start, end)
    return start if at < 0 else at + len(delimiter)
