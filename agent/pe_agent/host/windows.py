"""The agent's host on Windows and Windows PE, by IP Helper and the registry; no pdh.dll, no WMI, no PowerShell.

Seen under Wine only. Not verified on Windows PE: creation times of addresses, the lease values, PEBoot* values.
"""

from __future__ import annotations

import ctypes
import os
import string
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pe_agent import volumes
from pe_agent.codec import smbios
from pe_agent.errors import DecodeError
from pe_agent.host import (
    Adapter,
    Address,
    Architecture,
    BootRecord,
    Device,
    Lease,
    Overheard,
    processor,
    win_dhcp,
    win_network,
)
from pe_agent.host import win_registry as registry
from pe_agent.host.win_structures import (
    AdapterAddresses,
    AddressEntry,
    SocketAddress,
    SystemInfo,
    UnicastAddressRow,
    ip_of_sockaddr,
)
from pe_agent.model import Boot, Clock, Identity

assert sys.platform == "win32"  # noqa: S101 - tells type checkers what this module is for

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_iphlpapi = ctypes.WinDLL("iphlpapi", use_last_error=True)
_kernel32.GetTickCount64.restype = ctypes.c_uint64

_RSMB = int.from_bytes(b"RSMB", "big")
_GAA_FLAGS = 0x06 | 0x80  # skip anycast and multicast; include gateways
_ERROR_BUFFER_OVERFLOW = 111
_IF_LOOPBACK, _IF_TUNNEL = 24, 131
_OPER_UP = 1
_DAD_TENTATIVE, _DAD_DUPLICATE = 1, 2
# 100 ns units between 1601-01-01 and 1970-01-01.
_FILETIME_UNIX_EPOCH = 116_444_736_000_000_000
# PROCESSOR_ARCHITECTURE_* (sysinfoapi.h) and IMAGE_FILE_MACHINE_* (winnt.h).
_ARCHITECTURES = {0: "x86", 5: "arm", 9: "x64", 12: "arm64"}
_MACHINES = {0x014C: "x86", 0x01C4: "arm", 0x8664: "x64", 0xAA64: "arm64"}
_FIRMWARE_TYPES = {1: "bios", 2: "uefi"}
_ORIGINS = {1: "manual", 3: "dhcp", 5: "link-local"}
_DRIVE_FIXED = 3


class WindowsHost:
    """Asks the running system; `root` is used for logs only (a mounted disk of another machine)."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    def clock(self) -> Clock:
        """GetTickCount64 runs through time asleep and does not follow the wall clock."""
        offset = datetime.now().astimezone().utcoffset()
        minutes = int(offset.total_seconds() // 60) if offset else 0
        return Clock(_kernel32.GetTickCount64() / 1000, time.time_ns() // 1_000_000, minutes)

    def adapters(self) -> tuple[Adapter, ...]:
        """Adapters as IP Helper lists them; loopback and tunnels are left out."""
        made = self._address_rows()
        answering = win_network.answering_neighbours()
        adapters = ((row, self._adapter(row, made)) for row in _adapter_rows())
        return tuple(
            replace(a, reachable_gateways=tuple(g for g in a.gateways if (row.luid, g) in answering))
            for row, a in adapters
        )

    def changes(self) -> AbstractContextManager[Callable[[float], None]]:
        """IP Helper tells them of interfaces and addresses."""
        return win_network.changes()

    def overheard(self) -> tuple[Overheard, ...]:
        """Windows lets drivers listen, no program."""
        return ()

    def identity(self) -> Identity:
        """SMBIOS marks by GetSystemFirmwareTable."""
        try:
            system = smbios.decode_raw(_smbios_octets())
        except DecodeError:
            system = smbios.SystemInformation()
        macs = tuple(sorted({a.mac for a in self.adapters() if a.mac}))
        name = os.environ.get("COMPUTERNAME", "")
        return Identity(system.uuid, system.serial, system.manufacturer, system.product, macs, name)

    def boot(self) -> Boot:
        """Windows has no boot identifier; the moment of the boot on both clocks stands for it."""
        version = sys.getwindowsversion()
        edition = registry.text(registry.WINDOWS, "EditionID")
        text = f"Windows {version.major}.{version.minor}.{version.build} {edition}".strip()
        return Boot(began=self.clock(), os_version=text)

    def architecture(self) -> Architecture:
        """Windows PE has no WoW64, so there the process's architecture is the image's."""
        info = SystemInfo()
        _kernel32.GetNativeSystemInfo(ctypes.byref(info))
        image = _ARCHITECTURES.get(info.processor_architecture, "")
        firmware_type = self._firmware_type()
        secure = registry.number(registry.SECURE_BOOT, "UEFISecureBootEnabled")
        return Architecture(
            cpu=processor.behind(image, os.environ.get("PROCESSOR_ARCHITEW6432", ""), _smbios_octets()),
            firmware=image if firmware_type == "uefi" else "",
            firmware_type=firmware_type,
            image=image,
            process=_process(image),
            secure_boot=None if secure is None else bool(secure),
        )

    def devices_without_driver(self) -> tuple[Device, ...]:
        """Network devices below Enum that no driver was installed for."""
        return win_network.devices_without_driver()

    def boot_record(self) -> BootRecord | None:
        """What `wpeutil UpdateBootInfo` wrote; None outside a network-booted Windows PE."""
        name = registry.text(registry.CONTROL, "PEBootServerName")
        address = registry.text(registry.CONTROL, "PEBootServerAddr")
        ack, reply = (registry.octets(registry.PXE, value) for value in ("DhcpServerACK", "BootServerReply"))
        if not (name or address or ack or reply):
            return None
        return BootRecord(name, address, self._firmware_type(), ack, reply)

    def log_candidates(self) -> Iterable[tuple[str, Path]]:
        """Logs on the system drive, then on every fixed disk."""
        from pe_agent import log_places  # noqa: PLC0415 - the first probe does not wait for it to load

        for drive in self._drives():
            for path in log_places.table().find(drive):
                yield str(path), path

    def spool_folders(self) -> Iterable[Path]:
        """Marked volumes, as X: is lost with the boot; beside the agent (X:\\pe-agent\\spool); the temporary folder."""
        yield from (root / volumes.FOLDER for root in volumes.marked_volumes())
        yield Path(sys.executable).parent / "spool"
        import tempfile  # noqa: PLC0415 - the first probe does not wait for it to load

        yield Path(tempfile.gettempdir()) / "pe-agent" / "spool"

    def _drives(self) -> Iterator[Path]:
        if self._root is not None:
            yield self._root
            return
        # The drive of the agent itself is that of the image, also where the environment says something else.
        own = [os.environ.get("SYSTEMDRIVE", "X:").upper() + "\\", Path(sys.executable).drive.upper() + "\\"]
        letters = (f"{letter}:\\" for letter in string.ascii_uppercase)
        fixed = [drive for drive in letters if _kernel32.GetDriveTypeW(drive) == _DRIVE_FIXED]
        yield from (Path(drive) for drive in dict.fromkeys((*own, *fixed)))

    def _adapter(self, row: AdapterAddresses, made: dict[str, UnicastAddressRow]) -> Adapter:
        octets = bytes(row.physical_address[: row.physical_address_length])
        guid = (row.adapter_name or b"").decode("ascii", "replace")
        entries = [_ip(entry.address) for entry in _linked(row.first_unicast)]
        return Adapter(
            name=row.friendly_name or row.description or guid,
            mac=octets.hex(":") if len(octets) == 6 else "",
            link_up=row.oper_status == _OPER_UP,
            addresses=tuple(self._address(ip, made) for ip in entries if ip),
            gateways=tuple(ip for entry in _linked(row.first_gateway) if (ip := _ip(entry.address))),
            lease=self._lease(guid, _ip(row.dhcpv4_server)),
            driver=row.description or "",
            received_frames=win_network.received_frames(row.luid),
            dns_servers=tuple(ip for entry in _linked(row.first_dns_server) if (ip := _ip(entry.address))),
            dns_suffix=row.dns_suffix or "",
            index=row.ipv6_if_index or row.if_index,
        )

    def _address(self, ip: str, made: dict[str, UnicastAddressRow]) -> Address:
        row = made.get(ip)
        if row is None:
            return Address(ip, 32)
        link_local = ip.startswith(("169.254.", "fe80:"))
        return Address(
            ip=ip,
            prefix_length=row.on_link_prefix_length,
            created_at_s=self._at_s(row.creation_time),
            tentative=row.dad_state == _DAD_TENTATIVE,
            duplicate=row.dad_state == _DAD_DUPLICATE,
            origin="link-local" if link_local else _ORIGINS.get(row.prefix_origin, ""),
        )

    def _at_s(self, filetime: int) -> float | None:
        """A FILETIME as seconds since boot; None when it is no time of this boot."""
        clock = self.clock()
        at_s = clock.uptime_s - (clock.wall_ms / 1000 - (filetime - _FILETIME_UNIX_EPOCH) / 1e7)
        return at_s if filetime and 0 <= at_s <= clock.uptime_s else None

    def _lease(self, guid: str, server: str) -> Lease | None:
        key = rf"{registry.INTERFACES}\{guid}"
        server = registry.text(key, "DhcpServer") or server
        obtained = registry.number(key, "LeaseObtainedTime")
        if not server:
            return None
        return replace(
            win_dhcp.kept_lease(registry.octets(key, "DhcpInterfaceOptions")),
            server=server,
            obtained_at_s=None if obtained is None else self._at_s(_FILETIME_UNIX_EPOCH + obtained * 10_000_000),
            lease_s=registry.number(key, "Lease"),
            gateway=registry.text(key, "DhcpDefaultGateway"),
            dns_servers=tuple(registry.text(key, "DhcpNameServer").replace(",", " ").split()),
            domain_name=registry.text(key, "DhcpDomain"),
        )

    def _address_rows(self) -> dict[str, UnicastAddressRow]:
        table = ctypes.c_void_p()
        if _iphlpapi.GetUnicastIpAddressTable(0, ctypes.byref(table)) != 0 or not table.value:
            return {}
        try:
            count = ctypes.c_uint32.from_address(table.value).value
            # The rows are aligned to 8 octets after the count.
            rows = (UnicastAddressRow * count).from_address(table.value + 8)
            return {ip_of_sockaddr(bytes(r.address)): UnicastAddressRow.from_buffer_copy(r) for r in rows}
        finally:
            _iphlpapi.FreeMibTable(table)

    def _firmware_type(self) -> str:
        kept = registry.number(registry.CONTROL, "PEFirmwareType")
        if kept in _FIRMWARE_TYPES:
            return _FIRMWARE_TYPES[kept]
        kind = ctypes.c_uint32()
        try:
            if _kernel32.GetFirmwareType(ctypes.byref(kind)):
                return _FIRMWARE_TYPES.get(kind.value, "")
        except AttributeError:
            return ""
        return ""


def _adapter_rows() -> tuple[AdapterAddresses, ...]:
    """The list that GetAdaptersAddresses fills, copied; its pointers live in `buffer`, which each row keeps."""
    size = ctypes.c_uint32(32 * 1024)
    for _ in range(4):
        buffer = ctypes.create_string_buffer(size.value)
        status = _iphlpapi.GetAdaptersAddresses(0, _GAA_FLAGS, None, buffer, ctypes.byref(size))
        if status == 0:
            break
        if status != _ERROR_BUFFER_OVERFLOW:
            return ()
    else:
        return ()
    rows = []
    pointer = ctypes.cast(buffer, ctypes.POINTER(AdapterAddresses))
    while pointer:
        row = pointer.contents
        row.keeps_alive = buffer
        if row.if_type not in (_IF_LOOPBACK, _IF_TUNNEL):
            rows.append(row)
        pointer = row.next
    return tuple(rows)


def _linked(first: ctypes._Pointer[AddressEntry]) -> Iterator[AddressEntry]:
    pointer = first
    while pointer:
        yield pointer.contents
        pointer = pointer.contents.next


def _ip(address: SocketAddress) -> str:
    if not address.sockaddr or address.length <= 0:
        return ""
    return ip_of_sockaddr(ctypes.string_at(address.sockaddr, address.length))


def _smbios_octets() -> bytes:
    size = _kernel32.GetSystemFirmwareTable(_RSMB, 0, None, 0)
    buffer = ctypes.create_string_buffer(size)
    got = _kernel32.GetSystemFirmwareTable(_RSMB, 0, buffer, size)
    return buffer.raw[:got]


def _process(image: str) -> str:
    """The machine type this Python was built for."""
    return image if ctypes.sizeof(ctypes.c_void_p) == 8 else "x86"
