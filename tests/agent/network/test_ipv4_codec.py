"""UDP in IPv4: back and forth, any octets, and the checksum of a published header."""

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec.ipv4 import UdpPacket, checksum, decode_udp, encode_udp
from pe_agent.errors import DecodeError

addresses = st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
ports = st.integers(0, 65535)
packets = st.builds(UdpPacket, addresses, ports, addresses, ports, st.binary(max_size=600))
DISCOVER = UdpPacket("0.0.0.0", 68, "255.255.255.255", 67, b"discover")


@given(packets, st.binary(max_size=30))
def test_a_packet_comes_back_without_the_padding_of_its_frame(packet, padding):
    assert decode_udp(encode_udp(packet) + padding) == packet


@given(packets)
def test_a_header_with_its_checksum_sums_up_to_nothing(packet):
    assert checksum(encode_udp(packet)[:20]) == 0


@given(st.binary(max_size=100))
def test_any_octets_decode_or_are_refused(octets):
    with contextlib.suppress(DecodeError):
        assert len(decode_udp(octets).payload) <= len(octets)


@pytest.mark.parametrize(
    ("at", "octet"), [(0, 0x65), (0, 0x41), (0, 0x4F), (3, 200), (6, 0x20), (9, 6), (25, 200), (25, 7)]
)
def test_what_is_no_whole_datagram_is_refused(at, octet):
    octets = bytearray(encode_udp(DISCOVER))
    octets[at] = octet
    with pytest.raises(DecodeError):
        decode_udp(bytes(octets))


def test_a_datagram_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="65535"):
        encode_udp(UdpPacket("0.0.0.0", 1, "0.0.0.0", 1, bytes(65535)))
