"""The marks of a machine in its SMBIOS table."""

import struct
import uuid

from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec.smbios import SystemInformation, decode_raw
from pe_agent.errors import DecodeError

MARK = uuid.UUID("4c4c4544-0042-3510-8054-b7c04f4e4e32")


def raw(mark, version=(3, 2)):
    system = struct.pack("<BBHBBBB16s", 1, 24, 1, 1, 2, 0, 3, mark) + b"Dell Inc.\0OptiPlex 7090\0 7BT5NN2 \0\0"
    table = struct.pack("<BBH", 0, 4, 0) + b"\0\0" + system + struct.pack("<BBH", 127, 4, 9) + b"\0\0"
    return struct.pack("<BBBBI", 0, *version, 0, len(table)) + table


def test_manufacturer_product_serial_and_uuid_are_read():
    expected = SystemInformation("Dell Inc.", "OptiPlex 7090", "7BT5NN2", str(MARK))
    assert decode_raw(raw(MARK.bytes_le)) == expected


def test_before_version_2_6_the_uuid_is_in_network_order():
    assert decode_raw(raw(MARK.bytes, version=(2, 5))).uuid == str(MARK)


def test_a_uuid_of_all_zeros_or_ones_is_no_mark():
    assert decode_raw(raw(bytes(16))).uuid == decode_raw(raw(b"\xff" * 16)).uuid == ""


@given(st.binary(max_size=200))
def test_any_octets_decode_or_are_refused(octets):
    for candidate in (octets, struct.pack("<BBBBI", 0, 3, 0, 0, len(octets)) + octets):
        try:
            decode_raw(candidate)
        except DecodeError:
            continue
