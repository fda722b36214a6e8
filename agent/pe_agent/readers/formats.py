"""Which format is this log? The table of readers, and the choice by the beginning of a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pe_agent import panther
from pe_agent.encoding import NARROW, encoding_of
from pe_agent.readers import cmtrace, dhcp_server, setupapi, stream, wds_events, wds_export, wds_trace, wpeinit
from pe_agent.readers.record import Fields, Grammar, LogRecord

# The choice is made by this much of a file.
HEAD_OCTETS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of log. `server` says that a server wrote it, not the machine that boots."""

    name: str
    title: str
    grammar: Grammar
    server: bool = False


PANTHER = Format("panther", "Windows Setup (setupact.log, setuperr.log)", panther.GRAMMAR)
# Told by its header only: without one, lines that begin with a quote are anything.
EXPORT = Format("wds-events-csv", "WDS Diagnostics events, Export-Csv", wds_export.ANY_ORDER, server=True)
# Where two rows explain equally many lines, the earlier one is taken. A file that none explains is read as
# a log of Setup: single lines without columns.
FORMATS: tuple[Format, ...] = (
    Format("wpeinit", "wpeinit.log", wpeinit.GRAMMAR),
    PANTHER,
    Format("cmtrace", "ConfigMgr and MDT (smsts.log, BDD.log)", cmtrace.GRAMMAR),
    Format("setupapi", "setupapi.dev.log", setupapi.GRAMMAR),
    Format("wds-trace", "trace of the WDS server", wds_trace.GRAMMAR, server=True),
    Format("wds-events-xml", "WDS Diagnostics events, XML", wds_events.XML, server=True),
    Format("wds-events-rows", "WDS Diagnostics events, CSV or tabs", wds_events.ROWS, server=True),
    Format("wds-events-list", "WDS Diagnostics events, text", wds_events.LIST, server=True),
    EXPORT,
    Format("dhcp-audit", "DHCP server of Windows, audit log", dhcp_server.WINDOWS_AUDIT, server=True),
    Format("dhcp-syslog", "ISC dhcpd or dnsmasq", dhcp_server.SYSLOG, server=True),
    Format("dhcp-kea", "Kea", dhcp_server.KEA, server=True),
)

# What is shown on a screen and typed off, or foreign lines in a log: no format explains it.
SCREEN = "screen"
FORMAT_NAMES = frozenset({SCREEN, *(row.name for row in FORMATS)})
_NAMES = {row.grammar.columns: row.name for row in FORMATS}


def format_name(record: LogRecord) -> str:
    """Which row of FORMATS explains a record, or SCREEN."""
    if isinstance(record.columns, wds_export.ExportedColumns):
        return EXPORT.name
    return _NAMES.get(record.columns, SCREEN) if record.columns else SCREEN


def format_of(head: bytes) -> Format:
    """The format that a header names, else the one whose records begin most often in the first HEAD_OCTETS."""
    head = _narrow(head[:HEAD_OCTETS])
    exported = wds_export.grammar_of(head)
    if exported is not None:
        return replace(EXPORT, grammar=exported)
    counts = [(_beginnings(head, row.grammar), row) for row in FORMATS if row is not EXPORT]
    most, row = max(counts, key=lambda pair: pair[0])
    return row if most else PANTHER


def read_any(chunks: Iterable[bytes]) -> Iterator[LogRecord]:
    """Records of a file of any of the formats."""
    row, everything = recognise(chunks)
    return stream.read_records(everything, row.grammar)


def read_fields(octets: bytes, name: str) -> tuple[Fields, ...]:
    """The columns of a whole log of the format with this name: a pure function of its octets."""
    row = next(row for row in FORMATS if row.name == name)
    return tuple(record.fields for record in stream.read_records((octets,), row.grammar))


def recognise(chunks: Iterable[bytes]) -> tuple[Format, Iterator[bytes]]:
    """The format of a file, and all its octets again."""
    pieces = iter(chunks)
    first: list[bytes] = []
    octets = 0
    for piece in pieces:
        first.append(piece)
        octets += len(piece)
        if octets >= HEAD_OCTETS:
            break
    head = b"".join(first)
    return format_of(head), itertools.chain((head,), pieces)


def _narrow(head: bytes) -> bytes:
    encoding = encoding_of(head)
    return head if encoding == NARROW else head.decode(encoding, "replace").encode("utf-8", "replace")


def _beginnings(head: bytes, grammar: Grammar) -> int:
    return sum(grammar.begins(line) is not None for line in head.split(grammar.delimiter))
