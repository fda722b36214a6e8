"""What Windows PE leaves in the registry, written by reg.exe into a Wine and read by the agent as a Windows program."""

import json
from pathlib import Path

import pytest

from tests.windows.booting import Machine
from tests.windows.images import lay_out_agent
from tests.windows.shared import WINDOWS_PYTHON, WINE, wine_prefix

pytestmark = [
    pytest.mark.skipif(WINE is None, reason="wine64 is not installed"),
    pytest.mark.skipif(
        not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
    ),
]
READER = f"Z:{Path(__file__).with_name('registry_facts.py')}"
CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control"
TCPIP = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"
GUID = "{0F4B4A1C-0000-4000-8000-00AA00BB00CC}"
WITHOUT_DRIVER = r"HKLM\SYSTEM\CurrentControlSet\Enum\PCI\VEN_8086&DEV_15F3\1"
WITH_DRIVER = r"HKLM\SYSTEM\CurrentControlSet\Enum\PCI\VEN_8086&DEV_1533\1"
NO_NETWORK = r"HKLM\SYSTEM\CurrentControlSet\Enum\PCI\VEN_8086&DEV_9A49\1"
NETWORK_IDS = r"PCI\VEN_8086&CC_020000\0PCI\CC_0200"
# Options 66 (10.10.9.20), 67 (a\b.com) and 42 (10.10.9.1), as Windows keeps them of a lease.
BOOT_OPTIONS = (
    "42000000000000000a000000000000003317b65731302e31302e392e32300000"
    "430000000000000007000000000000003317b657615c622e636f6d00"
    "2a0000000000000004000000000000003317b6570a0a0901"
)
# Key, value, type and data as reg.exe takes them.
VALUES = [
    (CONTROL, "PEBootServerName", "REG_SZ", "WDS01.corp.example"),
    (CONTROL, "PEBootServerAddr", "REG_SZ", "10.10.9.20"),
    (CONTROL, "PEFirmwareType", "REG_DWORD", "2"),
    (CONTROL + r"\PXE", "DhcpServerACK", "REG_BINARY", "020106000a0b"),
    (CONTROL + r"\PXE", "BootServerReply", "REG_BINARY", "0201060077"),
    (CONTROL + r"\SecureBoot\State", "UEFISecureBootEnabled", "REG_DWORD", "1"),
    (rf"{TCPIP}\{GUID}", "DhcpIPAddress", "REG_SZ", "10.10.1.107"),
    (rf"{TCPIP}\{GUID}", "DhcpInterfaceOptions", "REG_BINARY", BOOT_OPTIONS),
    (rf"{TCPIP}\{{1B000000-0000-4000-8000-00AA00BB00CC}}", "DhcpIPAddress", "REG_SZ", "10.10.1.10"),
    (WITHOUT_DRIVER, "CompatibleIDs", "REG_MULTI_SZ", NETWORK_IDS),
    (WITHOUT_DRIVER, "HardwareID", "REG_MULTI_SZ", r"PCI\VEN_8086&DEV_15F3&SUBSYS_00000000\0PCI\VEN_8086&DEV_15F3"),
    (WITHOUT_DRIVER, "DeviceDesc", "REG_SZ", "@oem1.inf,%name%;Ethernet Controller"),
    (WITH_DRIVER, "CompatibleIDs", "REG_MULTI_SZ", NETWORK_IDS),
    (WITH_DRIVER, "Driver", "REG_SZ", r"{4d36e972-e325-11ce-bfc1-08002be10318}\0001"),
    (NO_NETWORK, "CompatibleIDs", "REG_MULTI_SZ", r"PCI\VEN_8086&CC_030000\0PCI\CC_0300"),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(wine_prefix(tmp_path_factory))
    tree = tmp_path_factory.mktemp("x")
    (tree / "Windows" / "System32").mkdir(parents=True)
    lay_out_agent(tree)
    machine.insert(tree)
    yield machine
    machine.off()


def facts(machine):
    return json.loads(machine.say(r"X:\pe-agent\python.exe", READER, "10.10.1.107"))


@pytest.fixture(scope="module")
def before(machine):
    return facts(machine)


@pytest.fixture(scope="module")
def told(machine, before):
    assert before
    for key, value, kind, octets in VALUES:
        machine.say("reg", "add", key, "/v", value, "/t", kind, "/d", octets, "/f")
    return facts(machine)


def test_a_registry_without_these_values_is_not_known_and_no_error(before):
    assert (before["record"], before["devices"], before["adapter"]) == (None, [], "")
    assert before["architecture"]["secure_boot"] is None


def test_what_the_firmware_heard_is_read_octet_by_octet(told):
    assert told["record"] == {
        "server_name": "WDS01.corp.example",
        "server_address": "10.10.9.20",
        "firmware_type": "uefi",
        "dhcp_ack": "020106000a0b",
        "boot_reply": "0201060077",
    }


def test_firmware_and_secure_boot_are_those_of_the_registry(told):
    assert (told["architecture"]["firmware_type"], told["architecture"]["secure_boot"]) == ("uefi", True)


def test_only_a_network_device_without_a_driver_is_told(told):
    assert told["devices"] == [
        {"hardware_id": r"PCI\VEN_8086&DEV_15F3&SUBSYS_00000000", "description": "Ethernet Controller", "problem": 28}
    ]


def test_the_adapter_of_a_lease_is_found_by_its_whole_address(told):
    # Wine's DHCP client knows no such adapter, so there is nothing to tell of its server.
    assert (told["adapter"], told["boot_options"]) == (GUID, {})


def test_the_boot_options_that_windows_kept_of_the_lease_are_read(told):
    lease = told["lease"]
    assert (lease["boot_server"], lease["boot_file"], lease["time_servers"]) == (
        "10.10.9.20",
        r"a\b.com",
        ["10.10.9.1"],
    )
