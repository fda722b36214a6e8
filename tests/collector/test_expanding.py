"""The quick way to unpack a log gives what the plain one gives, also of what is damaged."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent import wire
from pe_agent.errors import DecodeError
from pe_collector.expanding import expand_quickly
from pe_protos.v1 import report_pb2 as pb

TEXTS = st.lists(st.sampled_from([b"a line\r\n", b"0" * 300, b"\xff\x00", b""]), max_size=40).map(b"".join)


def chunk(data, expanded_bytes, codec="zlib"):
    return pb.LogChunk(path="setupact.log", data=data, codec=codec, expanded_bytes=expanded_bytes)


def outcome(expand, body):
    try:
        return expand(body)
    except DecodeError:
        return DecodeError


@given(TEXTS, st.integers(0, 9))
def test_what_was_packed_comes_back(text, level):
    assert expand_quickly(chunk(zlib.compress(text, level), len(text))) == text


@given(TEXTS, st.integers(min_value=0), st.integers(0, 255), st.integers(-2, 2))
def test_what_is_damaged_is_refused_by_both_or_by_none(text, place, octet, off):
    packed = bytearray(zlib.compress(text))
    packed[place % len(packed)] = octet
    body = chunk(bytes(packed), max(0, len(text) + off))
    assert outcome(expand_quickly, body) == outcome(wire.expand_chunk, body)


@given(TEXTS, st.integers(min_value=0))
def test_what_is_cut_off_is_refused_by_both_or_by_none(text, place):
    packed = zlib.compress(text)
    body = chunk(packed[: place % (len(packed) + 1)], len(text))
    assert outcome(expand_quickly, body) == outcome(wire.expand_chunk, body)


def test_no_more_is_unpacked_than_is_claimed():
    with pytest.raises(DecodeError, match="holds 1001 octets and claims 1000"):
        expand_quickly(chunk(zlib.compress(bytes(200_000_000)), 1000))
