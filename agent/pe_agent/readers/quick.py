"""Which octets are one record? As `gather` says, but one search in many lines finds where records begin."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from pe_agent.readers.gather import MOST_OCTETS, gather_records, split_lines
from pe_agent.readers.record import Grammar, LineFeeds, LogRecord

_ALL_LINES = re.compile(rb"[^\n]*\n|[^\n]+$").findall


def part_records(octets: bytes, grammar: Grammar, encoding: str, line: int) -> Iterator[LogRecord]:
    """The records of octets before which no record is open; `line` is the number of the first line."""
    feeds = grammar.line_feeds
    if feeds is None:
        yield from gather_records(split_lines((octets,), grammar.delimiter), grammar, encoding, line)
        return
    columns = grammar.columns
    # Then all up to the next beginning is one record.
    is_plain = not (feeds.foreign or feeds.ends or grammar.ends)
    starts = [match.end() for match in feeds.begins.finditer(octets)]
    for start, end in itertools.pairwise((0, *starts, len(octets))):
        record = octets[start:end]
        count = record.count(b"\n")
        is_one = is_plain or (count == 1 and record[-1] == 0x0A)
        if start and is_one and end - start <= MOST_OCTETS:
            yield LogRecord(line, record, encoding, columns)
        else:
            yield from _of_many_lines(record, grammar, feeds, encoding, line)
        line += count


def _of_many_lines(octets: bytes, grammar: Grammar, feeds: LineFeeds, encoding: str, line: int) -> Iterator[LogRecord]:
    """Octets with one beginning, at the front or nowhere: a record, and lines that belong to none."""
    end = _end(octets, feeds)
    is_one = len(octets) <= MOST_OCTETS and grammar.begins(octets)
    if (
        not is_one
        or (feeds.foreign and feeds.foreign.search(octets, 0, end))
        or (grammar.ends and grammar.ends(octets))
    ):
        end = 0
    if end:
        record = octets[:end]
        yield LogRecord(line, record, encoding, grammar.columns)
        line += record.count(b"\n")
    if 0 < end < len(octets):
        # None of these lines begins a record, and none is open.
        for number, text in enumerate(_ALL_LINES(octets, end), line):
            yield LogRecord(number, text, encoding)
    elif end < len(octets):
        yield from gather_records(split_lines((octets[end:],), grammar.delimiter), grammar, encoding, line)


def _end(octets: bytes, feeds: LineFeeds) -> int:
    last_line = feeds.ends.search(octets) if feeds.ends else None
    return octets.find(b"\n", last_line.end()) + 1 or len(octets) if last_line else len(octets)
