"""What did the boot manager show? Its screen, typed off, says in lines of its own what is one message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pe_agent.readers.record import LogRecord

_MOST_LINES = 8
_PART = re.compile(rb"\s*(?:File|Status|Error code|Info)\s*:", re.IGNORECASE)
_SAID_BEFORE = re.compile(rb".*\b(?:Boot Configuration Data|required device)\b", re.IGNORECASE)


def screens_joined(records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """The records, but lines File, Status and Info without columns that follow each other are one.

    Blank lines may be between them, and a sentence of the boot manager before them.
    """
    held: list[LogRecord] = []
    for record in records:
        if _goes_on(held, record):
            held.append(record)
            continue
        yield from _one(held)
        held = []
        if record.explained or not (_PART.match(record.octets) or _SAID_BEFORE.match(record.octets)):
            yield record
        else:
            held.append(record)
    yield from _one(held)


def _goes_on(held: list[LogRecord], record: LogRecord) -> bool:
    if not held or record.explained or len(held) == _MOST_LINES:
        return False
    part = _PART.match(record.octets)
    again = part and any(_name(part[0]) == _name(line.octets[: len(part[0])]) for line in held)
    return not record.octets.strip() or (part is not None and not again)


def _name(octets: bytes) -> bytes:
    return octets.strip().rstrip(b":").strip().lower()


def _one(held: list[LogRecord]) -> Iterator[LogRecord]:
    while held and not held[-1].octets.strip():
        held.pop()
    if held:
        yield LogRecord(held[0].line, b"".join(record.octets for record in held), held[0].encoding)
