"""How do octets become records? In constant memory, whatever the octets are; nothing is dropped."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator

from pe_agent.readers.record import NARROW, Grammar, LogRecord, encoding_of

# A line, or a record of many lines, that is longer is split into more records.
MOST_OCTETS = 64 * 1024
_FIRST_OF_PAIR = re.compile("[\ud800-\udbff]").match


def read_records(
    chunks: Iterable[bytes], grammar: Grammar, *, encoding: str = "", line: int = 1
) -> Iterator[LogRecord]:
    """Records from a file's octets in pieces of any size.

    With `encoding` the octets are those of the file from the beginning of a record on, which is on `line`.
    """
    pieces = iter(chunks)
    head = b""
    for piece in pieces if not encoding else ():
        head += piece
        if len(head) >= 2:
            break
    encoding = encoding or encoding_of(head)
    everything = itertools.chain((head,), pieces)
    if encoding == NARROW:
        return _gather(_lines(everything, grammar.delimiter), grammar, encoding, line)
    return _gather_wide(everything, grammar, encoding, line)


def _gather_wide(chunks: Iterable[bytes], grammar: Grammar, encoding: str, line: int) -> Iterator[LogRecord]:
    wide = _Wide(encoding)
    for record in _gather(_lines(wide.narrowed(chunks), grammar.delimiter), grammar, encoding, line):
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


def _never(_: bytes) -> None:
    return None


def _gather(batches: Iterable[list[bytes]], grammar: Grammar, encoding: str, number: int) -> Iterator[LogRecord]:
    """Lines to records: a line that begins no record continues the one before, if a format explains that."""
    begins_record, columns = grammar.begins, grammar.columns
    foreign: Callable[[bytes], object] = grammar.foreign or _never
    ends, one_feed_a_line, last_octet = grammar.ends, grammar.delimiter == b"\n", grammar.delimiter[-1]
    held, held_line, held_octets = b"", 0, 0
    more: list[bytes] = []
    whole = True
    for line in itertools.chain.from_iterable(batches):
        begins = whole and begins_record(line)
        if held and not begins and whole and held_octets + len(line) <= MOST_OCTETS and not foreign(line):
            more.append(line)
            held_octets += len(line)
        else:
            if held:
                yield LogRecord(held_line, b"".join((held, *more)) if more else held, encoding, columns)
                if more:
                    more = []
            if begins:
                held, held_line, held_octets = line, number, len(line)
            else:
                held = b""
                yield LogRecord(number, line, encoding)
        whole = line[-1] == last_octet
        number += whole if one_feed_a_line else line.count(b"\n")
        if ends is not None and held and ends(line):
            yield LogRecord(held_line, b"".join((held, *more)), encoding, columns)
            held, more = b"", []
    if held:
        yield LogRecord(held_line, b"".join((held, *more)), encoding, columns)


def _lines(chunks: Iterable[bytes], delimiter: bytes) -> Iterator[list[bytes]]:
    """Lines with their delimiters, as many as came at once; one of more than MOST_OCTETS comes in pieces of that."""
    rest = b""
    # What may be the beginning of a delimiter is not cut off.
    margin = len(delimiter) - 1
    for chunk in chunks:
        pieces = (rest + chunk).split(delimiter)
        rest = pieces.pop()
        if pieces:
            yield (
                [piece + delimiter for piece in pieces]
                if max(map(len, pieces)) <= MOST_OCTETS
                else [line for piece in pieces for line in _sliced_line(piece, delimiter)]
            )
        if len(rest) > MOST_OCTETS + margin:
            *slices, rest = _slices(rest, margin)
            yield slices
    if rest:
        yield _slices(rest)


def _sliced_line(piece: bytes, delimiter: bytes) -> list[bytes]:
    *slices, last = _slices(piece)
    return [*slices, last + delimiter]


def _slices(line: bytes, margin: int = 0) -> list[bytes]:
    """A line in pieces of at most MOST_OCTETS, never inside a UTF-8 sequence; the last piece is not empty."""
    slices = []
    start = 0
    while len(line) - start > MOST_OCTETS + margin:
        end = start + MOST_OCTETS
        # A sequence has at most three continuation octets; octets that are no UTF-8 are cut anywhere.
        end = next((at for at in range(end, end - 4, -1) if line[at] & 0xC0 != 0x80), end)
        slices.append(line[start:end])
        start = end
    return [*slices, line[start:]]
