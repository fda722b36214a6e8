import contextlib
import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5 import epm as impacket_epm
from impacket.uuid import uuidtup_to_bin
from pe_agent.codec import epm
from pe_agent.codec.rpc import Syntax
from pe_agent.errors import DecodeError

WDS = Syntax(uuid.UUID("1a927394-352e-4553-ae3f-7cf4aafca620"), 1)

u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
addresses = st.ip_addresses(v=4).map(str).filter(lambda a: a != "0.0.0.0")
towers = st.builds(
    epm.Tower, st.builds(Syntax, st.uuids(), u16, u16), st.none() | st.integers(1, 0xFFFF), st.none() | addresses
)
replies = st.builds(epm.MapReply, u32, st.lists(towers, max_size=4).map(tuple))


def port_of(tower):
    return impacket_epm.EPMPortAddr(impacket_epm.EPMTower(tower)["Floors"][3].getData())["IpPort"]


@given(towers)
def test_every_tower_survives_encoding_and_decoding(tower):
    assert epm.decode_tower(epm.encode_tower(tower)) == tower


@given(replies)
def test_every_reply_survives_encoding_and_decoding(reply):
    assert epm.decode_map_reply(epm.encode_map_reply(reply)) == reply


@given(st.binary(max_size=300), st.sampled_from("<>"))
def test_any_octets_are_a_reply_or_a_decode_error(octets, order):
    try:
        reply = epm.decode_map_reply(octets, order)
    except DecodeError:
        return
    assert len(reply.towers) <= epm.MAX_TOWERS


@given(replies, st.data())
def test_damaged_replies_decode_or_raise_decode_error(reply, data):
    octets = bytearray(epm.encode_map_reply(reply))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        assert isinstance(epm.decode_map_reply(bytes(octets)), epm.MapReply)


@given(replies)
def test_a_reply_cut_anywhere_is_refused(reply):
    octets = epm.encode_map_reply(reply)
    for count in range(len(octets)):
        with pytest.raises(DecodeError):
            epm.decode_map_reply(octets[:count])


@given(st.binary(max_size=120))
def test_any_octets_are_a_tower_or_a_decode_error(octets):
    with contextlib.suppress(DecodeError):
        assert isinstance(epm.decode_tower(octets), epm.Tower)


@given(st.binary(max_size=120))
def test_any_octets_are_a_question_or_a_decode_error(octets):
    with contextlib.suppress(DecodeError):
        assert isinstance(epm.decode_map_request(octets), epm.MapRequest)


def test_a_reply_that_claims_a_million_towers_is_refused_at_once():
    octets = bytes(20) + struct.pack("<IIII", 1_000_000, 1_000_000, 0, 1_000_000)
    with pytest.raises(DecodeError, match="1000000 towers"):
        epm.decode_map_reply(octets)


def test_our_question_is_octet_for_octet_what_impacket_asks():
    question = epm.encode_map_request(WDS)
    asked = impacket_epm.ept_map(question)
    tower = b"".join(asked["map_tower"]["tower_octet_string"])
    floors = impacket_epm.EPMTower(tower)["Floors"]
    assert floors[0]["InterfaceUUID"] == uuidtup_to_bin(("1A927394-352E-4553-AE3F-7CF4AAFCA620", "1.0"))[:16]
    assert (floors[0]["MajorVersion"], floors[0]["MinorVersion"], port_of(tower)) == (1, 0, 0)

    theirs = impacket_epm.ept_map()
    theirs["max_towers"] = 4
    theirs["map_tower"]["tower_length"] = len(tower)
    theirs["map_tower"]["tower_octet_string"] = tower
    theirs.fields["obj"].fields["ReferentID"] = 1
    theirs.fields["map_tower"].fields["ReferentID"] = 2
    written = bytearray(theirs.getData())
    # The octet behind the 75 of the tower is padding, and impacket fills it with something else.
    written[107] = 0
    assert bytes(written) == question


def test_our_question_can_be_read_back():
    assert epm.decode_map_request(epm.encode_map_request(WDS, 7)) == epm.MapRequest(epm.Tower(WDS), 7)


def test_impacket_reads_our_reply_as_we_mean_it():
    reply = impacket_epm.ept_mapResponse(epm.encode_map_reply(epm.MapReply(0, (epm.Tower(WDS, 5040, "10.10.9.20"),))))
    tower = b"".join(reply["ITowers"][0]["Data"]["tower_octet_string"])
    assert (reply["num_towers"], reply["status"]) == (1, 0)
    assert port_of(tower) == 5040
