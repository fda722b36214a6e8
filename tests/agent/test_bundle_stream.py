"""A bundle that comes in pieces gives the same records however it is cut; damage on the way is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.bundle import BundleStream, Damage, encode_bundle, read_bundle
from pe_agent.errors import DecodeError
from pe_agent.model import Clock
from pe_agent.parcel import clock_now

PAYLOADS = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def in_pieces(octets, cuts):
    edges = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    return [octets[a:b] for a, b in itertools.pairwise(edges)]


@given(PAYLOADS, st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cut_gives_the_same_records(payloads, cuts):
    stream = BundleStream()
    read = [payload for piece in in_pieces(encode_bundle(payloads), cuts) for payload in stream.feed(piece)]
    stream.end()
    assert read == payloads


@given(PAYLOADS.filter(bool), st.integers(1, 10_000))
def test_a_bundle_that_ends_early_is_refused(payloads, missing):
    octets = encode_bundle(payloads)
    stream = BundleStream()
    # Cut inside the last record.
    cut = 1 + missing % (len(payloads[-1]) + 7)
    assert list(stream.feed(octets[:-cut])) == payloads[:-1]
    with pytest.raises(DecodeError):
        stream.end()


@given(st.binary(max_size=200))
def test_any_octets_decode_or_are_refused(octets):
    stream = BundleStream()
    try:
        read = list(stream.feed(octets))
        stream.end()
    except DecodeError:
        return
    assert read == [record for record in read_bundle(octets) if not isinstance(record, Damage)]


def test_a_length_beyond_any_frame_is_refused_before_it_is_waited_for():
    with pytest.raises(DecodeError):
        list(BundleStream().feed(b"PESPOOL1\n\xff\xff\xff\x7f\0\0\0\0"))


def test_a_kept_clock_moves_on_with_the_wall_clock_and_never_back():
    kept = Clock(100.0, 1_000_000, 60)
    assert clock_now(kept, Clock(5.0, 1_090_000, 0)) == Clock(190.0, 1_090_000, 60)
    assert clock_now(kept, Clock(5.0, 999_999, 0)) == kept
