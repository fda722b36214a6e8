import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.model import Reason
from pe_agent.transport.icmp import Icmp, decode_extended_error, decode_icmp_error_info

SOCKADDR_V4 = struct.pack("=HH4s8x", 2, 0, socket.inet_aton("10.10.1.1"))


def sockaddr_v6(family):
    return struct.pack("=HHI16sI", family, 0, 0, socket.inet_pton(socket.AF_INET6, "fd10:1::1"), 0)


def test_the_error_queue_of_linux_names_the_router():
    octets = struct.pack("=IBBBxII", 113, 2, 3, 13, 0, 0) + SOCKADDR_V4
    assert decode_extended_error(octets) == Icmp(3, 13, "10.10.1.1")


def test_the_error_queue_of_linux_names_an_ipv6_router():
    octets = struct.pack("=IBBBxII", 13, 3, 1, 1, 0, 0) + sockaddr_v6(10)
    assert decode_extended_error(octets) == Icmp(1, 1, "fd10:1::1")


def test_an_error_that_did_not_come_by_icmp_is_not_one():
    assert decode_extended_error(struct.pack("=IBBBxII", 113, 1, 0, 0, 0, 0) + SOCKADDR_V4) is None


def test_the_error_info_of_windows_names_the_router():
    octets = SOCKADDR_V4.ljust(28, b"\0") + struct.pack("=IBBxx", 1, 3, 13)
    assert decode_icmp_error_info(octets) == Icmp(3, 13, "10.10.1.1")


def test_the_error_info_of_windows_names_an_ipv6_router():
    octets = sockaddr_v6(23) + struct.pack("=IBBxx", 58, 1, 4)
    assert decode_icmp_error_info(octets) == Icmp(1, 4, "fd10:1::1")


def test_an_empty_error_info_is_no_error():
    assert decode_icmp_error_info(bytes(36)) is None


@given(st.binary(max_size=64))
def test_any_octets_from_the_system_are_an_error_or_none(octets):
    for icmp in (decode_extended_error(octets), decode_icmp_error_info(octets)):
        assert icmp is None or socket.getaddrinfo(icmp.sender, 0, flags=socket.AI_NUMERICHOST)


@pytest.mark.parametrize(
    ("icmp", "reason"),
    [
        (Icmp(3, 0, "10.0.0.1"), Reason.UNREACHABLE),
        (Icmp(3, 1, "10.0.0.1"), Reason.UNREACHABLE),
        (Icmp(11, 0, "10.0.0.1"), Reason.UNREACHABLE),
        (Icmp(3, 2, "10.0.0.1"), Reason.REJECTED),
        (Icmp(3, 3, "10.0.0.1"), Reason.REJECTED),
        (Icmp(3, 10, "10.0.0.1"), Reason.REJECTED),
        (Icmp(3, 13, "10.0.0.1"), Reason.REJECTED),
        (Icmp(1, 0, "fd10::1"), Reason.UNREACHABLE),
        (Icmp(1, 3, "fd10::1"), Reason.UNREACHABLE),
        (Icmp(3, 0, "fd10::1"), Reason.UNREACHABLE),
        (Icmp(1, 1, "fd10::1"), Reason.REJECTED),
        (Icmp(1, 4, "fd10::1"), Reason.REJECTED),
    ],
)
def test_who_cannot_is_told_from_who_will_not(icmp, reason):
    assert icmp.reason is reason


def test_time_exceeded_has_a_number_of_its_own_in_each_version():
    assert Icmp(11, 0, "10.0.0.1").time_exceeded
    assert Icmp(3, 0, "fd10::1").time_exceeded
    assert not Icmp(3, 0, "10.0.0.1").time_exceeded
