"""DHCPv6: any octets decode or are refused, what is written is read back, no question makes a server keep a lease."""

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import dhcpv6
from pe_agent.codec.dhcpv6 import Dhcpv6Message
from pe_agent.errors import DecodeError

UUID = uuid.UUID("4c4c4544-0042-3510-8054-b7c04f4e4e32").bytes_le
OPTIONS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=60)), max_size=8).map(tuple)
MESSAGES = st.builds(
    Dhcpv6Message, st.sampled_from([1, 2, 7, 11, 255]), transaction=st.integers(0, 0xFFFFFF), options=OPTIONS
)
RAPID_COMMIT = 14


@given(MESSAGES)
def test_a_message_is_read_as_it_was_written(message):
    assert dhcpv6.decode_message(dhcpv6.encode_message(message)) == message


@given(st.binary(max_size=200))
def test_any_octets_decode_or_are_refused(octets):
    for decode in (dhcpv6.decode_message, dhcpv6.decode_parameters):
        try:
            decode(octets)
        except DecodeError:
            continue


@given(MESSAGES, st.data())
def test_a_message_that_is_cut_is_refused_or_has_lost_whole_options(message, data):
    octets = dhcpv6.encode_message(message)
    short = octets[: data.draw(st.integers(0, len(octets)))]
    try:
        read = dhcpv6.decode_message(short)
    except DecodeError:
        return
    assert read.options == message.options[: len(read.options)]


def test_a_message_between_relay_and_server_is_refused():
    with pytest.raises(DecodeError, match="relay"):
        dhcpv6.decode_message(bytes((13,)) + bytes(40))


@pytest.mark.parametrize(
    "message", [Dhcpv6Message(1, 1 << 24), Dhcpv6Message(12, 1), Dhcpv6Message(1, 1, ((65536, b""),))]
)
def test_what_has_no_place_is_not_written(message):
    with pytest.raises(ValueError, match=r"place|octets"):
        dhcpv6.encode_message(message)


@pytest.mark.parametrize("kind", [dhcpv6.SOLICIT, dhcpv6.INFORMATION_REQUEST])
def test_no_question_lets_a_server_keep_an_address(kind):
    asked = dhcpv6.decode_message(dhcpv6.question(kind, 7, dhcpv6.client_identifier(UUID, ""), 7))
    codes = [code for code, _ in asked.options]
    assert RAPID_COMMIT not in codes
    assert dhcpv6.SERVER_IDENTIFIER not in codes
    assert (dhcpv6.ADDRESS_ASSOCIATION in codes) is (kind == dhcpv6.SOLICIT)
    assert asked.first(dhcpv6.CLIENT_ARCHITECTURE) == b"\0\7"
    assert {59, 60} <= set(struct.unpack("!3H", asked.first(dhcpv6.OPTION_REQUEST)))


def test_a_machine_is_known_by_its_uuid_else_by_its_adapter():
    assert dhcpv6.client_identifier(UUID, "02:00:00:00:00:01") == b"\0\4" + UUID
    assert dhcpv6.client_identifier(b"", "02:00:00:00:00:01") == bytes.fromhex("00030001 020000000001")


@given(st.lists(st.text(max_size=30), max_size=6))
def test_boot_parameters_are_read_as_they_were_written(parameters):
    octets = b"".join(struct.pack("!H", len(text.encode())) + text.encode() for text in parameters)
    assert dhcpv6.decode_parameters(octets) == tuple(parameters)


def test_what_an_answer_says_is_told():
    servers = bytes.fromhex("fd310009000000000000000000000020") * 2 + b"cut"
    options = ((59, b"tftp://[fd31:9::20]/a.efi\0"), (23, servers), (13, b"\0\2none"))
    answer = Dhcpv6Message(dhcpv6.ADVERTISE, 1, options)
    assert (answer.boot_url, answer.status) == ("tftp://[fd31:9::20]/a.efi", 2)
    assert answer.dns_servers == ("fd31:9::20",) * 2
    assert (Dhcpv6Message(7, 1).boot_url, Dhcpv6Message(7, 1).status) == ("", 0)
