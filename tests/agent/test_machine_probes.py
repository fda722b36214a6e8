"""Adapters without driver, the kept boot record, and what counters and timeline say about the switch port."""

import ctypes
import struct
from types import SimpleNamespace

import pytest
from pe_agent.codec import dhcp
from pe_agent.host import Adapter, Address, BootRecord, Device, linux_files
from pe_agent.host.win_structures import InterfaceRow, NeighbourRow
from pe_agent.model import Observation, Outcome, Reason
from pe_agent.probes import adapters, boot_record, switch_port
from pe_agent.probes.contract import Context

USABLE = Address("10.10.1.5", 24, origin="dhcp")
CARD = Device("PCI\\VEN_8086&DEV_15F3", "Ethernet Controller", 28)


class Machine:
    """A host of which a probe sees one part; the clock moves one second with each look at the adapters."""

    def __init__(self, *looks, devices=(), record=None):
        self._looks, self._devices, self._record = list(looks), devices, record
        self.now_s = 100.0

    def adapters(self):
        self.now_s += 1.0
        return (self._looks.pop(0) if len(self._looks) > 1 else self._looks[0],) if self._looks else ()

    def devices_without_driver(self):
        return self._devices

    def boot_record(self):
        return self._record


def observe(run, host, *earlier, within_s=6.0):
    return list(run(Context(host, lambda: host.now_s, host.now_s + within_s, earlier=earlier)))


def adapter(*addresses, frames=None, link_up=True, **more):
    return Adapter("eth0", "02:00:00:00:00:01", link_up, addresses, received_frames=frames, **more)


def seen(**facts):
    return Observation("address", "eth0", Outcome.OK, Reason.ANSWERED, 90.0, 1.0, facts)


# --- adapters --------------------------------------------------------------------------------------------------------


def test_a_card_without_driver_is_named_by_its_hardware_id():
    (answer,) = observe(adapters.run, Machine(devices=(CARD,)))
    assert (answer.outcome, answer.reason, answer.target) == (Outcome.FAILED, Reason.NO_DRIVER, CARD.hardware_id)
    assert (answer.facts["problem_code"], answer.facts["description"]) == (28, "Ethernet Controller")


def test_a_second_card_without_driver_stops_nothing():
    (answer,) = observe(adapters.run, Machine(adapter(USABLE), devices=(CARD,)))
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, Reason.NO_DRIVER)


def test_no_card_at_all_is_no_adapter():
    (answer,) = observe(adapters.run, Machine())
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, Reason.NO_ADAPTER)


@pytest.fixture
def buses(tmp_path):
    """A /sys/bus with devices as the kernel shows them: one file for each property."""

    def device(bus, name, *, driver=False, **properties):
        folder = tmp_path / "sys" / "bus" / bus / "devices" / name
        folder.mkdir(parents=True)
        for key, text in properties.items():
            (folder / key).write_text(text + "\n")
        if driver:
            (folder / "driver").mkdir()

    device("pci", "0000:00:1f.6", **{"class": "0x020000"}, vendor="0x8086", device="0x15f3",
           subsystem_vendor="0x17aa", subsystem_device="0x3178")  # fmt: skip
    device("pci", "0000:00:02.0", **{"class": "0x030000"}, vendor="0x8086", device="0x46a6")
    device("pci", "0000:01:00.0", driver=True, **{"class": "0x020000"}, vendor="0x10ec", device="0x8168")
    device("usb", "1-2", idVendor="0bda", idProduct="8153")
    device("usb", "1-2:2.0", bInterfaceClass="02", bInterfaceSubClass="06")
    device("usb", "1-3", idVendor="046d", idProduct="c31c")
    device("usb", "1-3:1.0", bInterfaceClass="03", bInterfaceSubClass="01")
    return tmp_path


def test_pci_network_cards_without_driver_are_found_and_others_are_not(buses):
    (found,) = linux_files.pci_without_driver(buses)
    assert found.hardware_id == "PCI\\VEN_8086&DEV_15F3&SUBSYS_317817AA"


def test_usb_network_adapters_without_driver_are_found_and_keyboards_are_not(buses):
    assert [d.hardware_id for d in linux_files.usb_without_driver(buses)] == ["USB\\VID_0BDA&PID_8153"]


def test_a_system_without_buses_has_no_devices(tmp_path):
    assert [*linux_files.pci_without_driver(tmp_path), *linux_files.usb_without_driver(tmp_path)] == []


def test_the_resolver_file_gives_servers_in_order_and_the_first_suffix(tmp_path):
    (tmp_path / "etc").mkdir()
    text = "# made by hand\nsearch lab.test other.test\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver\n\n"
    (tmp_path / "etc" / "resolv.conf").write_text(text)
    assert linux_files.resolver(tmp_path) == (("10.0.0.1", "10.0.0.2"), "lab.test")


# --- the boot record -------------------------------------------------------------------------------------------------


def packet(options, siaddr=bytes(4), giaddr=bytes(4), file=b""):
    fixed = struct.pack(
        "!BBBBIHH4s4s4s4s16s64s128s", 2, 1, 6, 0, 7, 0, 0, b"", b"\x0a\x0a\x01\x05", siaddr, giaddr,
        bytes.fromhex("020000000105"), b"", file,
    )  # fmt: skip
    return fixed + dhcp.MAGIC_COOKIE + dhcp.encode_options(options)


def test_the_kept_packets_tell_server_file_relay_and_lease():
    ack = packet({53: b"\5", 54: b"\x0a\x0a\x09\x0a", 51: b"\0\0\x70\x80", 15: b"lab.test"}, giaddr=b"\x0a\x0a\x01\x01")
    reply = packet({53: b"\5", 60: b"PXEClient"}, siaddr=b"\x0a\x0a\x09\x14", file=b"boot\\x64\\wdsmgfw.efi")
    record = BootRecord("WDS01", "10.10.9.20", "uefi", ack, reply)
    kept = {o.target: o for o in observe(boot_record.run, Machine(record=record))}
    assert {o.outcome for o in kept.values()} == {Outcome.OK}
    facts = kept["dhcp-ack"].facts
    assert (facts["dhcp_server"], facts["relay"], facts["lease_s"]) == ("10.10.9.10", "10.10.1.1", 28_800)
    assert (facts["server_name"], facts["firmware_type"], facts["domain_name"]) == ("WDS01", "uefi", "lab.test")
    facts = kept["boot-reply"].facts
    assert (facts["next_server"], facts["boot_file"]) == ("10.10.9.20", "boot\\x64\\wdsmgfw.efi")
    assert "relay" not in facts


def test_a_kept_packet_that_cannot_be_read_is_told_as_such():
    (answer,) = observe(boot_record.run, Machine(record=BootRecord("WDS01", dhcp_ack=b"\2" * 300)))
    assert (answer.outcome, answer.reason, answer.facts["packet_bytes"]) == (Outcome.WARNING, Reason.MALFORMED, 300)


def test_names_alone_are_a_record_too():
    (answer,) = observe(boot_record.run, Machine(record=BootRecord("WDS01", "10.10.9.20")))
    assert (answer.outcome, answer.facts["server_address"]) == (Outcome.OK, "10.10.9.20")


def test_a_system_that_keeps_no_record_is_skipped():
    (answer,) = observe(boot_record.run, Machine())
    assert (answer.outcome, answer.reason) == (Outcome.SKIPPED, Reason.NOT_KNOWN)


# --- the switch port -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wait_s", "outcome", "reason"),
    [
        (2.0, Outcome.OK, Reason.ANSWERED),
        (31.0, Outcome.WARNING, Reason.SPANNING_TREE),
        (62.0, Outcome.WARNING, Reason.SPANNING_TREE),
        (120.0, Outcome.OK, Reason.ANSWERED),
    ],
)
def test_an_address_that_took_the_time_of_spanning_tree_speaks_of_it(wait_s, outcome, reason):
    (answer,) = observe(switch_port.run, Machine(adapter(USABLE)), seen(wait_s=wait_s))
    assert (answer.outcome, answer.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("frames", "link_at_s", "reason"),
    [
        (0, 60.0, Reason.DEAD_PORT),
        (40, 60.0, Reason.WRONG_VLAN),
        (3, 90.0, Reason.SPANNING_TREE),
        (3, 20.0, Reason.WRONG_VLAN),
    ],
)
def test_a_port_without_an_address_is_told_by_what_it_received(frames, link_at_s, reason):
    (answer,) = observe(switch_port.run, Machine(adapter(frames=frames)), seen(link_at_s=link_at_s))
    assert (answer.outcome, answer.reason) == (Outcome.WARNING, reason)
    assert answer.facts["received_frames"] == frames


def test_a_young_link_is_watched_before_its_port_is_called_dead():
    host = Machine(adapter(frames=0), adapter(frames=0), adapter(frames=0), adapter(frames=9))
    (answer,) = observe(switch_port.run, host, seen(link_at_s=99.0))
    assert answer.reason is not Reason.DEAD_PORT
    assert answer.facts["watched_s"] >= 3


def test_an_offer_proves_that_the_vlan_is_not_the_wrong_one():
    offered = Observation("dhcp", "", Outcome.OK, Reason.ANSWERED)
    (answer,) = observe(switch_port.run, Machine(adapter(frames=40)), seen(link_at_s=60.0), offered)
    assert (answer.outcome, answer.reason) == (Outcome.OK, Reason.ANSWERED)


def test_a_system_that_does_not_count_frames_is_not_guessed_about():
    (answer,) = observe(switch_port.run, Machine(adapter()), seen())
    assert (answer.outcome, answer.reason) == (Outcome.SKIPPED, Reason.NOT_KNOWN)


def test_without_link_there_is_no_port_to_judge():
    (answer,) = observe(switch_port.run, Machine(adapter(link_up=False)))
    assert (answer.outcome, answer.reason) == (Outcome.SKIPPED, Reason.NO_LINK)


def test_the_gateway_stands_beside_the_port_with_whether_it_answers():
    there = adapter(USABLE, gateways=("10.10.1.1",), reachable_gateways=("10.10.1.1",))
    (answer,) = observe(switch_port.run, Machine(there), seen(wait_s=1.0))
    assert (answer.facts["gateway"], answer.facts["gateway_answers"]) == ("10.10.1.1", True)


# --- what Windows hands over -----------------------------------------------------------------------------------------


def test_the_structures_of_windows_have_the_sizes_and_offsets_of_netioapi():
    at = SimpleNamespace(frames=InterfaceRow.in_unicast_frames.offset, state=NeighbourRow.state.offset)
    assert (ctypes.sizeof(InterfaceRow), at.frames) == (1352, 1216)
    assert (ctypes.sizeof(NeighbourRow), at.state) == (88, 76)
