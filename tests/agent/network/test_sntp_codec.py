"""SNTP: the offset between two clocks comes out right, in both eras; forged answers are refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import sntp
from pe_agent.errors import DecodeError

NOW_S = 1_790_000_000.25
TIMES = st.floats(0, 4e9).map(lambda t: round(t, 3))


def stamp(unix_s):
    return int((unix_s + 2_208_988_800) * 2**32) % 2**64


def answer(request, server_s, *, took_s=0.0, leap=0, stratum=2, mark=bytes(4)):
    originate = struct.unpack("!Q", request[40:48])[0]
    head = struct.pack("!BBbbII4s", leap << 6 | 4 << 3 | 4, stratum, 6, -20, 0, 0, mark)
    return head + struct.pack("!QQQQ", stamp(server_s), originate, stamp(server_s), stamp(server_s + took_s))


def test_equal_clocks_have_no_offset_whatever_the_way_takes():
    octets = answer(sntp.encode_request(NOW_S), NOW_S + 0.1, took_s=0.5)
    read = sntp.decode_answer(octets, NOW_S, NOW_S + 0.7)
    assert read.offset_s == pytest.approx(0.0, abs=1e-5)
    assert read.delay_s == pytest.approx(0.2, abs=1e-5)


def test_a_clock_that_is_behind_must_go_forward():
    octets = answer(sntp.encode_request(NOW_S), NOW_S + 10_800)
    assert sntp.decode_answer(octets, NOW_S, NOW_S).offset_s == pytest.approx(10_800, abs=1e-5)


@pytest.mark.parametrize(("leap", "stratum", "fine"), [(0, 2, True), (3, 2, False), (0, 16, False), (0, 0, False)])
def test_a_server_without_time_is_not_synchronised(leap, stratum, fine):
    octets = answer(sntp.encode_request(NOW_S), NOW_S, leap=leap, stratum=stratum)
    assert sntp.decode_answer(octets, NOW_S, NOW_S).synchronised is fine


def test_a_kiss_of_death_gives_its_reason():
    octets = answer(sntp.encode_request(NOW_S), NOW_S, stratum=0, mark=b"RATE")
    assert sntp.decode_answer(octets, NOW_S, NOW_S).refused == "RATE"


def test_an_answer_to_another_request_is_refused():
    octets = answer(sntp.encode_request(NOW_S - 1), NOW_S)
    with pytest.raises(DecodeError, match="not the answer"):
        sntp.decode_answer(octets, NOW_S, NOW_S)


def test_our_own_request_is_no_answer():
    request = sntp.encode_request(NOW_S)
    with pytest.raises(DecodeError, match="mode 3"):
        sntp.decode_answer(request, NOW_S, NOW_S)


@given(TIMES, st.floats(-1e8, 1e8))
def test_any_offset_survives_the_wire_in_any_era(now_s, offset_s):
    octets = answer(sntp.encode_request(now_s), now_s + offset_s)
    assert sntp.decode_answer(octets, now_s, now_s).offset_s == pytest.approx(offset_s, abs=1e-4)


@given(st.binary(max_size=120))
def test_any_octets_decode_or_are_refused(octets):
    whole = answer(sntp.encode_request(NOW_S), NOW_S)
    for candidate in (octets, whole[: 48 - len(octets)] + octets, octets[:1] + whole[1:24] + whole[24:32] + octets):
        try:
            sntp.decode_answer(candidate, NOW_S, NOW_S)
        except DecodeError:
            continue
