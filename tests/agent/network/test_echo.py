"""Windows' own ping: structures as Windows lays them out, and what each end of an echo says about packet sizes."""

import ctypes
import struct

import pytest
from pe_agent.model import Reason
from pe_agent.transport import echo
from pe_agent.transport.echo import Echoed, Status
from pe_agent.transport.mtu import Fate, judge_echo
from pe_agent.transport.path import PathFailure

ROUTER, ROUTER6 = "10.10.1.1", "fd10:1::1"


# Sizes and offsets of the 64-bit headers (ipexport.h); ICMPV6_ECHO_REPLY_LH has no pointer, so none of its own.
@pytest.mark.parametrize(
    ("structure", "octets", "offsets"),
    [
        (echo.OptionInformation, 16, {"flags": 2, "options_size": 3, "options": 8}),
        (echo.EchoReply, 40, {"status": 4, "round_trip_ms": 8, "data_size": 12, "data": 16, "options": 24}),
        (echo.AddressV6, 26, {"flow": 2, "address": 6, "scope": 22}),
        (echo.EchoReplyV6, 36, {"status": 28, "round_trip_ms": 32}),
        (echo.SocketAddressV6, 28, {"port": 2, "flow": 4, "address": 8, "scope": 24}),
    ],
)
def test_the_structures_are_laid_out_as_windows_has_them(structure, octets, offsets):
    assert ctypes.sizeof(structure) == octets
    assert {name: getattr(structure, name).offset for name in offsets} == offsets


def test_a_reply_tells_its_status_and_its_sender():
    octets = bytes((10, 10, 1, 1)) + struct.pack("=II", 11009, 3) + bytes(28) + b"payload"
    assert echo.decode_reply(octets, 4) == Echoed(Status.PACKET_TOO_BIG, ROUTER)


def test_an_ipv6_reply_tells_its_status_and_its_sender():
    address = bytes.fromhex("fd100001000000000000000000000001")
    octets = bytes(6) + address + bytes(6) + struct.pack("=II", 0, 3) + b"payload"
    assert echo.decode_reply(octets, 6) == Echoed(Status.SUCCESS, ROUTER6)


def test_a_reply_without_a_sender_names_nobody():
    assert echo.decode_reply(bytes(40), 4) == Echoed(Status.SUCCESS, "")


@pytest.mark.parametrize(("version", "head"), [(4, 40), (6, 36)])
def test_a_reply_buffer_holds_the_payload_and_what_the_system_adds(version, head):
    assert echo.reply_octets(1472, version) == head + 1472 + 24


def test_an_address_with_a_scope_keeps_it():
    assert echo.sockaddr6("fe80::1%7").scope == 7
    assert echo.sockaddr6("fe80::1%lo").scope > 0
    assert bytes(echo.sockaddr6("fd10:1::1"))[8:24] == bytes.fromhex("fd100001000000000000000000000001")


@pytest.mark.parametrize(
    ("echoed", "fate", "icmp"),
    [
        (Echoed(Status.SUCCESS, "10.10.9.20"), Fate.ARRIVED, None),
        (Echoed(Status.TIMED_OUT), Fate.LOST, None),
        (Echoed(Status.PACKET_TOO_BIG), Fate.TOO_BIG_HERE, None),
        (Echoed(Status.PACKET_TOO_BIG, ROUTER), Fate.TOO_BIG, (3, 4, ROUTER)),
        (Echoed(Status.PACKET_TOO_BIG, ROUTER6), Fate.TOO_BIG, (2, 0, ROUTER6)),
    ],
)
def test_each_end_of_an_echo_is_a_fate_of_the_packet(echoed, fate, icmp):
    sent = judge_echo(echoed)
    assert sent.fate is fate
    assert (sent.icmp and (sent.icmp.type, sent.icmp.code, sent.icmp.sender)) == icmp


def test_any_other_end_says_nothing_about_size():
    with pytest.raises(PathFailure) as met:
        judge_echo(Echoed(11003, ROUTER))
    assert (met.value.reason, met.value.facts) == (Reason.UNREACHABLE, {"echo_status": 11003})
