"""What is behind an x86 image: a processor that can run x64, or one that cannot?"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec.smbios import decode_64_bit_capable
from pe_agent.errors import DecodeError
from pe_agent.host import processor

# Structure type 4 as the firmware of a workstation with a Xeon W-2133 has it (SMBIOS 3.0); characteristics 0x00FC.
XEON = (
    bytes.fromhex(
        "04305600 0103b302 54060500fffbebbf 0390 6400 3c0f 100e 41 01 5300 5400 5500 000400 06060c fc00 b300"
        "0600 0600 0c00"
    )
    + b"CPU0\0Intel(R) Corporation\0Intel(R) Xeon(R) W-2133 CPU @ 3.60GHz\0UNKNOWN\0\0"
)
END = bytes((127, 4, 9, 0, 0, 0))


def told(*structures, version=(3, 0)):
    table = b"".join((*structures, END))
    return struct.pack("<BBBBI", 0, *version, 0, len(table)) + table


def with_characteristics(word):
    return XEON[:0x26] + struct.pack("<H", word) + XEON[0x28:]


# As firmware before SMBIOS 2.5 wrote it: 35 octets, no characteristics.
OLD = bytes((4, 35)) + XEON[2:35] + XEON[48:]


@pytest.mark.parametrize(
    ("structure", "capable"),
    [
        (XEON, True),
        (with_characteristics(0x00F8), False),
        (with_characteristics(0x0000), None),
        (with_characteristics(0x0002), None),
        (OLD, None),
        (XEON[:5] + b"\5" + XEON[6:], None),
    ],
    ids=["64-bit", "not 64-bit", "nothing", "unknown", "before 2.5", "a signal processor"],
)
def test_the_firmware_tells_whether_a_processor_is_64_bit_capable(structure, capable):
    assert decode_64_bit_capable(told(structure)) is capable


def test_one_socket_that_tells_is_enough():
    assert decode_64_bit_capable(told(with_characteristics(0), XEON)) is True


def test_a_table_without_a_processor_tells_nothing():
    assert decode_64_bit_capable(told()) is None


@pytest.mark.parametrize(
    ("image", "wow64", "table", "cpu"),
    [
        ("x64", "", b"", "x64"),
        ("arm64", "", told(XEON), "arm64"),
        ("x86", "AMD64", b"", "x64"),
        ("x86", "", told(XEON), "x64"),
        ("x86", "", told(with_characteristics(0x00F8)), "x86"),
        ("x86", "", told(OLD), ""),
        ("x86", "", b"", ""),
        ("x86", "", told(XEON)[:30], ""),
    ],
)
def test_only_an_x86_image_makes_the_firmware_the_witness(image, wow64, table, cpu):
    assert processor.behind(image, wow64, table) == cpu


@given(st.binary(max_size=120))
def test_any_octets_decode_or_are_refused(octets):
    for candidate in (octets, struct.pack("<BBBBI", 0, 3, 0, 0, len(octets)) + octets):
        try:
            decode_64_bit_capable(candidate)
        except DecodeError:
            continue
