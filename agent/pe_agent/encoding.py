"""In which encoding is a log? UTF-16 is known by its mark, or by the zeroes beside its letters."""

from __future__ import annotations

NARROW = "utf-8"
MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# So many octets are needed to know UTF-16 without its mark.
HEAD_OCTETS = 64
_FEWEST_PAIRS = 8


def encoding_of(head: bytes) -> str:
    """`utf-16-le`, `utf-16-be`, or `utf-8` for everything else (with lines of another code page in it)."""
    marked = MARKS.get(head[:2])
    if marked:
        return marked
    sample = head[:HEAD_OCTETS]
    pairs = len(sample) // 2
    low, high = sample[0::2].count(0), sample[1::2].count(0)
    if pairs >= _FEWEST_PAIRS and max(low, high) > pairs * 3 // 4 and min(low, high) < pairs // 4:
        return "utf-16-le" if high > low else "utf-16-be"
    return NARROW
