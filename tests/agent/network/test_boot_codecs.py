"""PXE, TFTP and boot file headers: any octets decode or are refused, and what is written is read back."""

import contextlib
import dataclasses
import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pe_agent.codec import dhcp, pxe, tftp
from pe_agent.codec.pe_header import file_architecture
from pe_agent.errors import DecodeError

ADDRESS = st.ip_addresses(v=4).map(str)
TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\0"), max_size=40)
OPTIONS = st.dictionaries(TEXT.map(lambda t: "".join(c.lower() if c.isascii() else c for c in t)), TEXT, max_size=8)
NUMBER = st.integers(0, 0xFFFF)
PACKETS = st.one_of(
    st.builds(tftp.ReadRequest, TEXT.map(lambda t: t.encode("latin-1")), OPTIONS),
    st.builds(tftp.OptionAck, OPTIONS.filter(bool)),
    st.builds(tftp.Data, NUMBER, st.binary(max_size=600)),
    st.builds(tftp.Ack, NUMBER),
    st.builds(tftp.Error, NUMBER, TEXT),
)
MESSAGES = st.builds(
    dhcp.DhcpMessage,
    operation=st.integers(1, 2),
    transaction=st.integers(0, 0xFFFFFFFF),
    ciaddr=ADDRESS,
    yiaddr=ADDRESS,
    siaddr=ADDRESS,
    giaddr=ADDRESS,
    client_mac=st.binary(max_size=16).map(lambda octets: octets.hex(":")),
    sname=st.binary(min_size=64, max_size=64),
    file=st.binary(min_size=128, max_size=128),
    # Option 52 says that sname and file hold options.
    options=st.dictionaries(st.integers(1, 254).filter(lambda code: code != 52), st.binary(max_size=300), max_size=8),
)
CLIENT = pxe.Client("02:00:00:00:01:05", "10.10.1.5", uuid.UUID(int=7).bytes_le, 7)


@given(MESSAGES)
def test_a_dhcp_message_is_read_as_it_was_written(message):
    assert dhcp.decode_message(dhcp.encode_message(message)) == message


@given(MESSAGES)
def test_no_dhcp_message_is_shorter_than_bootp_allows(message):
    assert len(dhcp.encode_message(message)) >= 300


@pytest.mark.parametrize(
    "change", [{"client_mac": "0" * 34}, {"sname": bytes(65)}, {"file": bytes(129)}, {"giaddr": "wds01"}]
)
def test_a_field_that_has_no_place_is_refused(change):
    message = dhcp.decode_message(pxe.discover(CLIENT, 1, as_pxe=False))
    with pytest.raises(ValueError, match=r"hold 16, 64 and 128|wds01"):
        dhcp.encode_message(dataclasses.replace(message, **change))


def test_a_discover_looks_like_a_relays_and_names_the_machine_as_windows_does():
    message = dhcp.decode_message(pxe.discover(CLIENT, 5, as_pxe=False))
    assert (message.operation, message.transaction, message.giaddr) == (1, 5, "10.10.1.5")
    assert message.number(dhcp.MESSAGE_TYPE) == dhcp.DISCOVER
    assert message.options[dhcp.CLIENT_IDENTIFIER] == bytes.fromhex("01020000000105")
    assert not {60, 93, 94, 97} & set(message.options)


def test_a_discover_as_pxe_says_what_firmware_says():
    options = dhcp.decode_message(pxe.discover(CLIENT, 5, as_pxe=True)).options
    assert options[60] == b"PXEClient:Arch:00007:UNDI:003016"
    assert (options[93], options[94], options[97]) == (b"\0\7", b"\1\3\x10", b"\0" + CLIENT.uuid)


def test_a_boot_server_request_asks_for_no_address():
    message = dhcp.decode_message(pxe.boot_server_request(CLIENT, 9))
    assert (message.ciaddr, message.giaddr, message.yiaddr) == ("10.10.1.5", "0.0.0.0", "0.0.0.0")
    assert not {50, 54, 61} & set(message.options), "no requested address, no chosen server, no client identifier"


def test_a_machine_without_a_known_uuid_sends_none():
    unknown = dataclasses.replace(CLIENT, uuid=b"")
    assert 97 not in dhcp.decode_message(pxe.boot_server_request(unknown, 9)).options


@given(st.lists(st.tuples(NUMBER, TEXT), max_size=6), st.integers(0, 255))
def test_the_entries_of_a_boot_menu_are_read_in_order(entries, control):
    menu = b"".join(struct.pack("!HB", kind, len(text)) + text.encode("latin-1") for kind, text in entries)
    area = dhcp.encode_options({6: bytes((control,)), 9: menu})
    assert pxe.decode_vendor(area) == pxe.Vendor(control, tuple(text for _, text in entries))


@given(st.lists(st.tuples(NUMBER, st.lists(st.ip_addresses(v=4), max_size=5)), max_size=4))
def test_the_boot_servers_of_a_list_are_read_in_order_and_once(entries):
    octets = b"".join(struct.pack("!HB", kind, len(ips)) + b"".join(ip.packed for ip in ips) for kind, ips in entries)
    listed = dict.fromkeys(str(ip) for _, ips in entries for ip in ips)
    assert pxe.decode_vendor(dhcp.encode_options({8: octets})).servers == tuple(listed)


@pytest.mark.parametrize(
    ("control", "listed_only"),
    [(None, False), (0, False), (1, False), (3, True), (4, True), (7, True), (8, False), (15, False)],
)
def test_bits_of_the_discovery_control_bind_firmware_to_the_list(control, listed_only):
    assert pxe.Vendor(control, servers=("10.0.0.1",)).asks_listed_only is listed_only
    assert pxe.Vendor(control).asks_listed_only is False


def test_a_list_of_boot_servers_that_claims_too_much_is_refused():
    with pytest.raises(DecodeError, match="claims more"):
        pxe.decode_vendor(dhcp.encode_options({8: b"\0\0\x02\x0a\0\0\1"}))


@given(st.binary(max_size=300))
def test_any_vendor_option_is_read_or_refused(octets):
    for area in (octets, dhcp.encode_options({9: octets}), dhcp.encode_options({8: octets})):
        with contextlib.suppress(DecodeError):
            assert isinstance(pxe.decode_vendor(area), pxe.Vendor)


def test_a_menu_entry_that_claims_too_much_is_refused():
    with pytest.raises(DecodeError, match="claims more"):
        pxe.decode_vendor(dhcp.encode_options({9: b"\0\1\x09short"}))


@pytest.mark.parametrize(
    ("file", "architecture", "other"),
    [
        ("boot\\x64\\wdsmgfw.efi", 7, False),
        ("boot\\x64\\wdsmgfw.efi", 0, True),
        ("boot\\x86\\wdsmgfw.efi", 7, True),
        ("EFI/BOOT/BOOTX64.EFI", 9, False),
        ("bootaa64.efi", 7, True),
        ("boot\\x64\\wdsnbp.com", 7, True),
        ("boot\\x86\\wdsnbp.com", 0, False),
        ("ipxe.efi", 11, False),
        ("pxelinux.0", 0, False),
        ("no-ending", 7, False),
        ("boot\\x64\\wdsmgfw.efi", 999, False),
    ],
)
def test_a_files_name_tells_whose_firmware_it_is_for(file, architecture, other):
    assert pxe.names_other_firmware(file, architecture) is other


@pytest.mark.parametrize(
    ("firmware_type", "firmware", "number"),
    [("bios", "", 0), ("uefi", "x64", 7), ("uefi", "x86", 6), ("uefi", "arm64", 11), ("", "", 0)],
)
def test_option_93_follows_the_firmware(firmware_type, firmware, number):
    assert pxe.architecture_number(firmware_type, firmware) == number


@given(PACKETS)
def test_a_tftp_packet_is_read_as_it_was_written(packet):
    assert tftp.decode(tftp.encode(packet)) == packet


@given(st.binary(max_size=600))
def test_any_octets_are_a_tftp_packet_or_refused(octets):
    for candidate in (octets, b"\0\6" + octets, b"\0\1" + octets):
        with contextlib.suppress(DecodeError):
            assert isinstance(tftp.decode(candidate), tftp.Packet)


@pytest.mark.parametrize(
    "octets", [b"", b"\0\3\0", b"\0\2name\0octet\0", b"\0\6tsize\0", b"\0\6tsize\0001", b"\0\1a\0mail\0"]
)
def test_a_broken_tftp_packet_is_refused(octets):
    with pytest.raises(DecodeError, match="TFTP"):
        tftp.decode(octets)


@pytest.mark.parametrize("packet", [tftp.Ack(0x10000), tftp.ReadRequest(b"a\0b", {}), tftp.Error(1, "a\0b")])
def test_what_tftp_cannot_say_is_not_sent(packet):
    with pytest.raises(ValueError, match=r"NUL|16 bits"):
        tftp.encode(packet)


def test_option_names_ignore_case():
    granted = tftp.decode(b"\0\6BlkSize\x001456\0TSIZE\x00x\0")
    assert (granted.number("blksize"), granted.number("tsize"), granted.number("windowsize")) == (1456, None, None)


@given(st.integers(64, 400), st.sampled_from([(0x8664, "x64"), (0x14C, "x86"), (0xAA64, "arm64"), (0x200, "0x0200")]))
def test_an_efi_programs_processor_stands_in_its_header(at, machine):
    number, word = machine
    start = b"MZ" + bytes(58) + struct.pack("<I", at) + bytes(at - 64) + b"PE\0\0" + struct.pack("<H", number)
    assert file_architecture(start) == word
    with pytest.raises(DecodeError, match="lies behind"):
        file_architecture(start[:-1])


@pytest.mark.parametrize("start", [b"\xeb\xfe\x90", b"M", b"MZ" + bytes(58) + struct.pack("<I", 64) + bytes(60)])
def test_what_has_no_pe_header_is_a_bios_program(start):
    assert file_architecture(start) == "bios-nbp"


@given(st.binary(max_size=200))
def test_any_start_of_a_file_has_a_kind_or_is_refused(octets):
    for start in (octets, b"MZ" + octets):
        with contextlib.suppress(DecodeError):
            assert file_architecture(start)
