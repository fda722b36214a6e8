"""DHCP messages: any octets decode or are refused; what servers do to options is understood."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import dhcp
from pe_agent.errors import DecodeError


def message(options, sname=b"", file=b"", siaddr=b"\0\0\0\0"):
    fixed = struct.pack(
        "!BBBBIHH4s4s4s4s16s64s128s", 2, 1, 6, 0, 7, 0, 0, b"", b"\x0a\x0a\x01\x05", siaddr, b"",
        bytes.fromhex("020000000105"), sname, file,
    )  # fmt: skip
    return fixed + dhcp.MAGIC_COOKIE + options


def test_an_acknowledgement_tells_server_lease_and_boot_program():
    options = dhcp.encode_options(
        {53: b"\x05", 54: b"\x0a\x0a\x09\x0a", 51: b"\0\0\x0e\x10", 66: b"10.10.9.20\0", 67: b"boot\\x64\\wdsnbp.com"}
    )
    ack = dhcp.decode_message(message(options))
    assert (ack.address(54), ack.number(51), ack.boot_server) == ("10.10.9.10", 3600, "10.10.9.20")
    assert (ack.boot_file, ack.client_mac, ack.yiaddr) == ("boot\\x64\\wdsnbp.com", "02:00:00:00:01:05", "10.10.1.5")


def test_options_after_a_pad_are_kept():
    assert dhcp.decode_options(b"\x00\x00\x35\x01\x05\x00\x36\x01\x01\xff\x99") == {53: b"\x05", 54: b"\x01"}


def test_an_option_that_appears_twice_is_one_long_value():
    assert dhcp.decode_options(b"\x43\x02ab\x43\x02cd\xff") == {67: b"abcd"}


def test_options_that_overflow_into_file_and_sname_are_found():
    area = dhcp.encode_options({52: b"\x03"})
    ack = dhcp.decode_message(message(area, sname=b"\x42\x01s\xff", file=b"\x43\x01f\xff"))
    assert (ack.boot_server, ack.boot_file) == ("s", "f")


def test_without_option_66_the_next_server_is_the_boot_server():
    assert dhcp.decode_message(message(b"\xff", siaddr=b"\x0a\x0a\x09\x14")).boot_server == "10.10.9.20"


@pytest.mark.parametrize("area", [b"\x35", b"\x35\x02\x01", b"\x35\xff" + b"x" * 10])
def test_an_option_that_claims_too_much_is_refused(area):
    with pytest.raises(DecodeError, match="claims more"):
        dhcp.decode_options(area)


@given(st.dictionaries(st.integers(1, 254), st.binary(max_size=600), max_size=20))
def test_options_survive_encoding_and_decoding(options):
    assert dhcp.decode_options(dhcp.encode_options(options)) == options


@given(st.binary(max_size=600))
def test_any_octets_decode_or_are_refused(octets):
    for candidate in (octets, message(octets)):
        try:
            dhcp.decode_message(candidate)
        except DecodeError:
            continue
