from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent import signatures
from pe_agent.panther import read_records
from pe_agent.scan import scan_log

LINE = b"2026-03-02 08:15:30, Info       [0x0601c1] IBS    LogBootDeviceInfo:The boot device is [multi(0)]\r\n"
SCRAPS = st.sampled_from(
    [
        LINE,
        b"Info ",
        b'"',
        b"\n",
        b"\r\n",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\0",
        b"0x800706BA",
        b"Error IBS x",
        b"\xd8\x3d",
    ]
)
OCTETS = st.lists(SCRAPS | st.binary(max_size=20), max_size=12).map(b"".join)


@given(OCTETS)
def test_any_octets_come_back_whole(octets: bytes) -> None:
    assert b"".join(record.raw for record in read_records([octets])) == octets


@given(OCTETS)
def test_any_octets_have_text_that_can_be_sent(octets: bytes) -> None:
    for record in read_records([octets]):
        record.text.encode()


@given(OCTETS, st.integers(1, 7))
def test_records_do_not_depend_on_how_the_octets_arrive(octets: bytes, size: int) -> None:
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    assert list(read_records(pieces)) == list(read_records([octets]))


@given(OCTETS)
def test_line_numbers_count_line_feeds(octets: bytes) -> None:
    seen = 1
    for record in read_records([octets]):
        assert record.line == seen
        seen += record.octets.count(b"\n")


def stream(megabytes: int) -> Iterator[bytes]:
    block = LINE * (1024 * 1024 // len(LINE))
    yield from itertools.repeat(block, megabytes)


def peak_octets(megabytes: int) -> int:
    rows = signatures.load()
    tracemalloc.start()
    try:
        assert list(scan_log("setupact.log", stream(megabytes), rows)) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_log_is_read_in_constant_memory() -> None:
    # A block is 1 MiB; its lines exist twice while it is taken apart.
    assert peak_octets(30) < 12 * 1024 * 1024


def test_an_endless_line_is_read_in_constant_memory() -> None:
    tracemalloc.start()
    try:
        count = sum(len(r.octets) for r in read_records(itertools.repeat(b"x" * 1024 * 1024, 30)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 30 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


@pytest.mark.slow
def test_a_log_of_300_mb_is_read_in_constant_memory() -> None:
    assert peak_octets(300) < 12 * 1024 * 1024
