"""Which lines are one record? The rule, line by line; nothing is dropped, whatever the octets are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

from pe_agent.readers.record import Grammar, LogRecord

# A line, or a record of many lines, that is longer is split into more records.
MOST_OCTETS = 64 * 1024


def _never(_: bytes) -> None:
    return None


def gather_records(batches: Iterable[list[bytes]], grammar: Grammar, encoding: str, number: int) -> Iterator[LogRecord]:
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


def split_lines(chunks: Iterable[bytes], delimiter: bytes) -> Iterator[list[bytes]]:
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
