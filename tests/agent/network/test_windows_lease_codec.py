"""The DHCP options that Windows keeps of a lease: a published dump, any octets, and back again."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import dhcp
from pe_agent.codec.windows_lease import decode_kept_options
from pe_agent.errors import DecodeError

# From a published registry dump: options 6, 3, 1, 54, 53, 12, 51, and 252 that no server gave.
DUMP = bytes.fromhex("""
    06000000000000000400000000000000 3317b657c0a80101 03000000000000000400000000000000 3317b657c0a80101
    01000000000000000400000000000000 3317b657ffffff00 36000000000000000400000000000000 3317b657c0a80101
    35000000000000000100000000000000 3317b65705000000 0c000000000000000b00000000000000 3317b657
    47494741425954452d504300 33000000000000000400000000000000 3317b6570000a8c0 fc000000000000000000000000000000 6c98b557
""")


def kept(options):
    return b"".join(
        struct.pack("<5I", code, 0, len(value), 0, 0x57B61733) + value.ljust((len(value) + 3) & ~3, b"\0")
        for code, value in options.items()
    )


def test_a_published_dump_is_read():
    options = decode_kept_options(DUMP)
    assert (options[dhcp.ROUTER], options[dhcp.MESSAGE_TYPE]) == (b"\xc0\xa8\x01\x01", b"\5")
    assert (options[12], 252 in options) == (b"GIGABYTE-PC", False)


@given(st.dictionaries(st.integers(1, 254), st.binary(min_size=1, max_size=255), max_size=20))
def test_what_windows_keeps_comes_back(options):
    assert decode_kept_options(kept(options)) == options


@given(st.binary(max_size=400))
def test_any_octets_decode_or_are_refused(octets):
    try:
        found = decode_kept_options(octets)
    except DecodeError:
        return
    assert sum(map(len, found.values())) <= len(octets)


@pytest.mark.parametrize("octets", [DUMP[:-1], DUMP[:30], kept({300: b"x"}), struct.pack("<5I", 66, 0, 1 << 31, 0, 0)])
def test_what_claims_more_than_there_is_is_refused(octets):
    with pytest.raises(DecodeError):
        decode_kept_options(octets)
