"""NetBIOS names and node status: what real nodes send is understood; any other octets are refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import netbios
from pe_agent.codec.netbios import NodeName, SessionAnswer
from pe_agent.errors import DecodeError


def status(names, transaction=7, mac=bytes(6)):
    rows = b"".join(
        n.name.encode().ljust(15) + bytes((n.suffix,)) + (b"\x84\0" if n.group else b"\x04\0") for n in names
    )
    body = bytes((len(names),)) + rows + mac + bytes(40)
    head = struct.pack("!HHHHHH", transaction, 0x8400, 0, 1, 0, 0) + netbios.encode_name("*", 0)
    return head + struct.pack("!HHIH", 0x21, 1, 0, len(body)) + body


def test_a_name_is_written_in_half_octets():
    assert netbios.encode_name("FRED", 0x20) == b"\x20EGFCEFEECACACACACACACACACACACACA\0"


def test_a_node_tells_names_services_and_mac():
    names = (NodeName("WDS01", 0x20, group=False), NodeName("LAB", 0x00, group=True))
    answer = netbios.decode_node_status(status(names, mac=b"\x02\0\0\0\0\x07"), 7)
    assert (answer.names, answer.mac) == (names, "02:00:00:00:00:07")


def test_a_node_without_a_mac_has_none():
    assert netbios.decode_node_status(status(()), 7).mac == ""


def test_another_transaction_is_no_answer():
    with pytest.raises(DecodeError, match="not the answer"):
        netbios.decode_node_status(status((), transaction=8), 7)


def test_more_names_than_octets_are_refused():
    octets = bytearray(status(()))
    octets[56] = 200
    with pytest.raises(DecodeError, match="claims 200 names"):
        netbios.decode_node_status(bytes(octets), 7)


@pytest.mark.parametrize(
    ("octets", "answer"),
    [(b"\x82\0\0\0", SessionAnswer(granted=True)), (b"\x83\0\0\1\x82", SessionAnswer(granted=False, error=0x82))],
)
def test_a_session_is_granted_or_not_with_its_error(octets, answer):
    assert netbios.decode_session_answer(octets) == answer


@pytest.mark.parametrize("name", ["SIXTEENLETTERS00", "MÜLLER"])
def test_a_name_that_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match=r"fit|ascii"):
        netbios.encode_name(name, 0)


@given(st.lists(st.builds(NodeName, st.text("ABCXYZ-09", min_size=1, max_size=15), st.integers(0, 255), st.booleans())))
def test_node_status_survives_encoding_and_decoding(names):
    assert netbios.decode_node_status(status(names), 7).names == tuple(names)


@given(st.binary(max_size=300), st.integers(0, 90))
def test_any_octets_decode_or_are_refused(octets, kept):
    for candidate in (octets, status(())[:kept] + octets):
        for decode in (lambda o: netbios.decode_node_status(o, 7), netbios.decode_session_answer):
            try:
                decode(candidate)
            except DecodeError:
                continue
