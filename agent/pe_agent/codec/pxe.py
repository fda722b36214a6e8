"""What does a PXE client say of itself, and what do boot servers answer? Octets in, values out.

Source: PXE specification 2.1, RFC 4578 (options 93, 94, 97), RFC 2132 (options 43, 60).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pe_agent.codec import dhcp
from pe_agent.codec.dhcp import DhcpMessage, decode_options
from pe_agent.errors import DecodeError

DHCP_SERVER_PORT, DHCP_CLIENT_PORT, BOOT_SERVER_PORT = 67, 68, 4011
VENDOR_CLASS = "PXEClient"
CLIENT_ARCHITECTURE, NETWORK_INTERFACE, MACHINE_IDENTIFIER = 93, 94, 97
# Sub-options of option 43 (PXE 2.1 table 2-1).
_DISCOVERY_CONTROL, _BOOT_SERVERS, _BOOT_MENU = 6, 8, 9
# Bits of the discovery control: no broadcast (0) and no multicast (1), listed servers only (2), no discovery (3).
_ALONE, _LISTED, _USES_BOOT_FILE = 0x3, 0x4, 0x8
# Subnet mask, router, DNS, domain, vendor options, lease time, server, class, boot server, boot file.
_ASKED_FOR = bytes((1, 3, 6, 15, 43, 51, 54, 60, 66, 67))
# UNDI 3.16, what current firmware says.
_UNDI = bytes((1, 3, 16))
_NO_ADDRESS = "0.0.0.0"
# Processor architecture types of option 93 by firmware: RFC 4578 2.1 and its registry at IANA. x64 firmware says 7.
_ARCHITECTURES = {("uefi", "x86"): 6, ("uefi", "x64"): 7, ("uefi", "arm"): 10, ("uefi", "arm64"): 11}
_BIOS = 0
_FIRMWARE = {0: "bios", 6: "uefi", 7: "uefi", 9: "uefi", 10: "uefi", 11: "uefi"}
_MACHINE = {6: "x86", 7: "x64", 9: "x64", 10: "arm", 11: "arm64"}
_BIOS_ENDINGS = (".com", ".n12", ".0", ".kpxe", ".kkpxe", ".pxe", ".bin", ".bs")
# In a path, as a folder or as the end of a file name: boot\\x64\\wdsmgfw.efi, bootx64.efi.
_MACHINE_WORDS = {"x64": "x64", "x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aa64": "arm64"} | {
    "x86": "x86",
    "ia32": "x86",
    "i386": "x86",
}


class Firmware(StrEnum):
    """What loads a boot program."""

    BIOS = "bios"
    UEFI = "uefi"


@dataclass(frozen=True, slots=True)
class Client:
    """The machine that asks: MAC with colons, its own address, UUID octets as SMBIOS has them (or none), option 93.

    The address is empty as long as the machine has none.
    """

    mac: str
    address: str
    uuid: bytes
    architecture: int


@dataclass(frozen=True, slots=True)
class Vendor:
    """Option 43 of a PXE answer: `control` is None when absent, `menu` the texts a person would see.

    `servers` are the boot servers of tag 8, in order. With bit 2 of `control` firmware asks no others, and with bits 0
    and 1 it neither broadcasts nor multicasts; with bit 3 it asks nobody and loads the boot file it was named.
    """

    control: int | None = None
    menu: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()

    @property
    def asks_listed_only(self) -> bool:
        """Whether firmware will ask the boot servers of this list and no others."""
        control = self.control or 0
        if not self.servers or control & _USES_BOOT_FILE:
            return False
        return bool(control & _LISTED) or control & _ALONE == _ALONE


def architecture_number(firmware_type: str, firmware: str) -> int:
    """Option 93 for this firmware; 0 (BIOS) when it is not known to be UEFI."""
    return _ARCHITECTURES.get((firmware_type, firmware), _BIOS)


def discover(client: Client, transaction: int, *, as_pxe: bool) -> bytes:
    """A DISCOVER as a relay would pass it on: giaddr is the machine itself, so that offers come to its port 67.

    A machine without an address asks as clients do, for an answer to everybody.
    Option 61 is what the DHCP client of Windows sends, so that a server offers the address the machine already has.
    """
    options = {dhcp.MESSAGE_TYPE: bytes((dhcp.DISCOVER,)), dhcp.PARAMETER_LIST: _ASKED_FOR} | _identifier(client)
    options |= _pxe_options(client) if as_pxe else {}
    message = _message(client, transaction, options, giaddr=client.address or _NO_ADDRESS)
    return dhcp.encode_message(replace(message, broadcast=not client.address))


def boot_server_request(client: Client, transaction: int) -> bytes:
    """What a PXE client sends to UDP 4011: a request for a boot program that asks for no address (PXE 2.1 2.2.4)."""
    options = {dhcp.MESSAGE_TYPE: bytes((dhcp.REQUEST,)), dhcp.PARAMETER_LIST: _ASKED_FOR} | _pxe_options(client)
    return dhcp.encode_message(_message(client, transaction, options, ciaddr=client.address))


def decode_vendor(area: bytes) -> Vendor:
    """Option 43 as PXE writes it.

    Raises:
        DecodeError: a sub-option, a menu entry or a list of servers that claims more octets than there are.
    """
    options = decode_options(area)
    control = options.get(_DISCOVERY_CONTROL, b"")
    servers = _boot_servers(options.get(_BOOT_SERVERS, b""))
    return Vendor(control[0] if control else None, _menu(options.get(_BOOT_MENU, b"")), servers)


def names_other_firmware(boot_file: str, architecture: int) -> bool:
    """Whether a file's name says that it is for another firmware or processor than option 93 asked for.

    False where the name says nothing. BIOS boot programs are 16-bit, whatever folder they lie in.
    """
    firmware = named_firmware(boot_file)
    if firmware is None or architecture not in _FIRMWARE:
        return False
    if firmware != _FIRMWARE[architecture]:
        return True
    machine = _named_machine(boot_file)
    return firmware is Firmware.UEFI and machine not in {"", _MACHINE[architecture]}


def runs_on(file_architecture: str, architecture: int) -> bool:
    """Whether firmware of this option 93 can run a file of this kind (see `pe_header.file_architecture`)."""
    return file_architecture == _MACHINE.get(architecture, "bios-nbp")


def named_firmware(boot_file: str) -> Firmware | None:
    """What the ending of a boot file's name says; None when it says nothing."""
    name = boot_file.lower()
    if name.endswith(".efi"):
        return Firmware.UEFI
    return Firmware.BIOS if name.endswith(_BIOS_ENDINGS) else None


def _named_machine(boot_file: str) -> str:
    parts = boot_file.lower().replace("\\", "/").removesuffix(".efi").split("/")
    folders = (_MACHINE_WORDS[part] for part in parts if part in _MACHINE_WORDS)
    endings = (machine for word, machine in _MACHINE_WORDS.items() if parts[-1].endswith(word))
    return next(endings, "") or next(folders, "")


def _message(
    client: Client,
    transaction: int,
    options: Mapping[int, bytes],
    *,
    ciaddr: str = _NO_ADDRESS,
    giaddr: str = _NO_ADDRESS,
) -> DhcpMessage:
    return DhcpMessage(
        operation=dhcp.REQUEST_OPERATION,
        transaction=transaction,
        ciaddr=str(ipaddress.IPv4Address(ciaddr)),
        yiaddr=_NO_ADDRESS,
        siaddr=_NO_ADDRESS,
        giaddr=str(ipaddress.IPv4Address(giaddr)),
        client_mac=client.mac,
        sname=b"",
        file=b"",
        options=options,
    )


def _identifier(client: Client) -> dict[int, bytes]:
    return {dhcp.CLIENT_IDENTIFIER: b"\x01" + bytes.fromhex(client.mac.replace(":", ""))}


def _pxe_options(client: Client) -> dict[int, bytes]:
    undi = f"{VENDOR_CLASS}:Arch:{client.architecture:05}:UNDI:{_UNDI[1]:03}{_UNDI[2]:03}"
    return {
        dhcp.VENDOR_CLASS: undi.encode("ascii"),
        CLIENT_ARCHITECTURE: client.architecture.to_bytes(2, "big"),
        NETWORK_INTERFACE: _UNDI,
    } | ({MACHINE_IDENTIFIER: b"\0" + client.uuid} if client.uuid else {})


def _boot_servers(octets: bytes) -> tuple[str, ...]:
    """Entries of boot server type (2), count (1) and so many addresses (PXE 2.1 table 2-1, tag 8)."""
    servers: list[str] = []
    at = 0
    while at < len(octets):
        if at + 3 > len(octets) or at + 3 + 4 * octets[at + 2] > len(octets):
            raise DecodeError(f"PXE boot server list at octet {at} claims more than the {len(octets)} octets there are")
        end = at + 3 + 4 * octets[at + 2]
        servers += dhcp.addresses_in(octets[at + 3 : end])
        at = end
    return tuple(dict.fromkeys(servers))


def _menu(octets: bytes) -> tuple[str, ...]:
    """Entries of boot server type (2), length (1) and text (PXE 2.1 table 2-1, tag 9)."""
    texts, at = [], 0
    while at < len(octets):
        if at + 3 > len(octets) or at + 3 + octets[at + 2] > len(octets):
            raise DecodeError(f"PXE boot menu entry at octet {at} claims more than the {len(octets)} octets there are")
        end = at + 3 + octets[at + 2]
        texts.append(octets[at + 3 : end].decode("latin-1"))
        at = end
    return tuple(texts)
