import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5 import rpcrt
from impacket.uuid import uuidtup_to_bin
from pe_agent.codec import rpc
from pe_agent.errors import DecodeError

WDS = rpc.Syntax(uuid.UUID("1a927394-352e-4553-ae3f-7cf4aafca620"), 1)

u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
stubs = st.binary(max_size=300)
syntaxes = st.builds(rpc.Syntax, st.uuids(), u16, u16)
offers = st.builds(rpc.ContextOffer, syntaxes, st.lists(syntaxes, max_size=3).map(tuple), u16)
results = st.builds(rpc.ContextResult, u16, u16, syntaxes)
pdus = st.one_of(
    st.builds(rpc.Bind, u32, st.lists(offers, max_size=3).map(tuple), u16, u16, u32),
    st.builds(rpc.BindAck, u32, st.lists(results, max_size=3).map(tuple), st.binary(max_size=20), u16, u16, u32),
    st.builds(rpc.BindNak, u32, u16),
    st.builds(rpc.Request, u32, u16, stubs, u16, st.booleans(), st.booleans(), st.none() | st.uuids()),
    st.builds(rpc.Response, u32, stubs, u16, st.booleans(), st.booleans()),
    st.builds(rpc.Fault, u32, u32, u16),
)


@given(pdus)
def test_every_pdu_survives_encoding_and_decoding(pdu):
    assert rpc.decode(rpc.encode(pdu)) == pdu


@given(st.binary(max_size=200))
def test_any_octets_decode_or_raise_decode_error(octets):
    try:
        rpc.decode(octets)
    except DecodeError:
        return
    assert rpc.fragment_octets(octets) == len(octets)


@given(pdus, st.data())
def test_damaged_pdus_decode_or_raise_decode_error(pdu, data):
    octets = bytearray(rpc.encode(pdu))
    for _ in range(3):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = rpc.decode(bytes(octets))
    except DecodeError:
        return
    assert type(decoded) in {rpc.Bind, rpc.BindAck, rpc.BindNak, rpc.Request, rpc.Response, rpc.Fault}


@given(pdus)
def test_a_pdu_that_lacks_its_last_octet_is_refused(pdu):
    with pytest.raises(DecodeError):
        rpc.decode(rpc.encode(pdu)[:-1])


@given(pdus, pdus)
def test_the_end_of_a_pdu_is_known_from_its_header_whatever_follows(first, second):
    stream = rpc.encode(first) + rpc.encode(second)
    lengths = [rpc.fragment_octets(stream[:count]) for count in range(len(stream) + 1)]
    assert lengths[: rpc.HEADER_OCTETS] == [None] * rpc.HEADER_OCTETS
    assert set(lengths[rpc.HEADER_OCTETS :]) == {len(rpc.encode(first))}
    assert rpc.decode(stream[lengths[-1] :]) == second


@pytest.mark.parametrize("start", [b"H", b"\x15\x03", b"SSH-2.0", b"\x05\x07", b"\x05\x00\xff"])
def test_a_foreign_protocol_is_known_by_its_first_octets(start):
    with pytest.raises(DecodeError):
        rpc.fragment_octets(start)


def test_a_big_endian_fault_is_understood():
    body = struct.pack(">IHBxI", 0, 7, 0, 0x1C010002)
    header = struct.pack(">BBBB4sHHI", 5, 0, rpc.PduType.FAULT, 3, b"\0\0\0\0", 16 + len(body), 0, 9)
    assert rpc.decode(header + body) == rpc.Fault(call=9, status=0x1C010002, context=7)


def test_an_authentication_trailer_is_not_part_of_the_stub():
    plain = bytearray(rpc.encode(rpc.Response(1, b"stub")) + b"\x09\x05\0\0\0\0\0\0" + b"token!")
    struct.pack_into("<HH", plain, 8, len(plain), 6)
    assert rpc.decode(bytes(plain)) == rpc.Response(1, b"stub")


def test_a_claim_of_more_authentication_than_the_pdu_holds_is_refused():
    octets = bytearray(rpc.encode(rpc.Response(1, b"stub")))
    struct.pack_into("<H", octets, 10, 5000)
    with pytest.raises(DecodeError, match="authentication"):
        rpc.decode(bytes(octets))


def test_a_fragment_larger_than_its_length_field_can_say_is_not_encoded():
    with pytest.raises(ValueError, match="65535"):
        rpc.encode(rpc.Request(1, 0, bytes(70000)))


def test_impacket_reads_our_bind_as_we_mean_it():
    header = rpcrt.MSRPCHeader(rpc.encode(rpc.Bind(3, (rpc.ContextOffer(WDS),))))
    bind = rpcrt.MSRPCBind(header["pduData"])
    context = rpcrt.CtxItem(bind["ctx_items"])
    assert (header["type"], header["call_id"], bind["ctx_num"]) == (rpcrt.MSRPC_BIND, 3, 1)
    assert context["AbstractSyntax"] == uuidtup_to_bin(("1A927394-352E-4553-AE3F-7CF4AAFCA620", "1.0"))
    assert context["TransferSyntax"] == uuidtup_to_bin(("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0"))


def test_impacket_reads_our_request_as_we_mean_it():
    request = rpcrt.MSRPCRequestHeader(rpc.encode(rpc.Request(4, 0x7FFF, b"abc")))
    assert (request["op_num"], request["call_id"], request["pduData"]) == (0x7FFF, 4, b"abc")
