"""What takes octets or letters from outside and is more than one decoder; each is called as a target calls it."""

from __future__ import annotations

from pe_agent import signatures
from pe_agent.carried import decode_report
from pe_agent.redact import Redactor
from pe_agent.scan import scan_log

_SIZES = (1, 7, 64)
_ROWS = signatures.load()


def redact(octets: bytes) -> None:
    """A stream comes out the same in pieces of any size."""
    whole = _redacted(octets, len(octets) or 1)
    for size in _SIZES:
        assert _redacted(octets, size) == whole, size


def scan(octets: bytes) -> None:
    """Any log is recognised, parted and judged; every hit stands on a line that is there."""
    last_line = max(octets.count(b"\n"), octets.count(b"\n\0"), octets.count(b"\0\n")) + 1
    for hit in scan_log("fuzz.log", (octets,), _ROWS):
        assert 1 <= hit.evidence.line <= last_line


def decode_letters(octets: bytes) -> None:
    """Letters as people type them off a screen."""
    decode_report(octets.decode("latin-1"))


def _redacted(octets: bytes, size: int) -> bytes:
    redactor = Redactor(b"key")
    pieces = [redactor.feed(octets[at : at + size]) for at in range(0, len(octets), size)]
    return b"".join((*pieces, redactor.finish()))
