"""SMB2 NEGOTIATE: what a server says is understood; any other octets are refused."""

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import smb2
from pe_agent.errors import DecodeError

GUID = uuid.UUID("6b0a1f0e-1f57-4c7c-9d3d-1a2b3c4d5e6f")
FILETIME_OF_2020 = 132_223_104_000_000_000


def response(status=0, mode=1, dialect=0x0302, system_time=FILETIME_OF_2020, flags=1):
    header = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16s", 64, 0, status, 0, 1, flags, 0, 0, 0, 0, 0, b"")
    body = struct.pack("<HHHH16sIIIIQQHHI", 65, mode, dialect, 0, GUID.bytes_le, 0, 9, 9, 9, system_time, 0, 128, 0, 0)
    return header + body


def test_a_response_tells_dialect_signing_server_and_time():
    answer = smb2.decode_negotiate(response(mode=3))
    assert (answer.dialect_text, answer.signing_required, answer.server_guid) == ("3.0.2", True, str(GUID))
    assert answer.server_time_s == 1_577_836_800.0


@pytest.mark.parametrize(("number", "text"), [(0x0202, "2.0.2"), (0x0210, "2.1"), (0x0300, "3.0"), (0x0311, "3.1.1")])
def test_dialects_are_written_as_people_write_them(number, text):
    assert smb2.decode_negotiate(response(dialect=number)).dialect_text == text


def test_signing_that_is_only_offered_is_not_required():
    assert smb2.decode_negotiate(response(mode=1)).signing_required is False


def test_a_server_without_a_clock_has_no_time():
    assert smb2.decode_negotiate(response(system_time=0)).server_time_s is None


def test_a_refusal_needs_no_body():
    assert smb2.decode_negotiate(response(status=0xC00000BB)[:64]).status == 0xC00000BB


@pytest.mark.parametrize(
    "message",
    [response(flags=0), b"\xffSMB" + response()[4:], response()[:100], response()[:63], b""],
    ids=["a request", "SMB1", "cut", "cut header", "nothing"],
)
def test_what_is_no_response_is_refused(message):
    with pytest.raises(DecodeError):
        smb2.decode_negotiate(message)


def test_a_request_frames_itself_and_offers_every_dialect():
    request = smb2.encode_negotiate(GUID)
    assert smb2.message_octets(request[:4]) == len(request) - 4
    assert struct.unpack("<4H", request[-8:]) == smb2.DIALECTS


@given(st.sampled_from(smb2.DIALECTS), st.integers(1, 2**63 - 1), st.booleans())
def test_every_response_survives_encoding_and_decoding(dialect, system_time, required):
    answer = smb2.decode_negotiate(response(mode=1 + 2 * required, dialect=dialect, system_time=system_time))
    assert (answer.dialect, answer.signing_required) == (dialect, required)
    assert answer.server_time_s == pytest.approx((system_time - 116_444_736_000_000_000) / 1e7)


@given(st.binary(max_size=200), st.integers(0, 129))
def test_any_octets_decode_or_are_refused(octets, kept):
    for candidate in (octets, response()[:kept] + octets):
        try:
            smb2.decode_negotiate(candidate)
        except DecodeError:
            continue


@given(st.binary(max_size=8))
def test_any_transport_header_is_bounded_or_refused(octets):
    try:
        assert 4 <= smb2.message_octets(octets) <= smb2.MAX_MESSAGE_OCTETS
    except DecodeError:
        assert len(octets) != 4 or octets[0] or int.from_bytes(octets[1:], "big") not in range(4, 65537)
