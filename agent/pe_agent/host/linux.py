"""The agent's host on Linux: for laboratories, tests and network people; the kernel is asked directly."""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pe_agent import log_places, volumes
from pe_agent.codec import dhcp
from pe_agent.errors import DecodeError
from pe_agent.host import (
    Adapter,
    Address,
    Architecture,
    BootRecord,
    Device,
    Lease,
    Overheard,
    linux_dhcp,
    linux_files,
    netlink,
)
from pe_agent.observed import Clock

if TYPE_CHECKING:
    from pe_agent.model import Boot, Identity

assert sys.platform == "linux"  # noqa: S101 - tells type checkers what this module is for

_MACHINE_WORDS = {
    "x86_64": "x64",
    "amd64": "x64",
    "i386": "x86",
    "i686": "x86",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm",
}


class LinuxHost:
    """Reads firmware facts, leases and logs below `root`, everything else from the kernel."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path("/")
        self._heard: queue.SimpleQueue[Overheard] = queue.SimpleQueue()

    def clock(self) -> Clock:
        """Uptime includes time asleep and follows the process's time namespace."""
        offset = datetime.now().astimezone().utcoffset()
        minutes = int(offset.total_seconds() // 60) if offset else 0
        return Clock(time.clock_gettime(time.CLOCK_BOOTTIME), time.time_ns() // 1_000_000, minutes)

    def adapters(self) -> tuple[Adapter, ...]:
        """Adapters in the order of the kernel's interface index."""
        ahead_s = self._boot_clock_ahead_s()
        addresses = netlink.addresses()
        gateways = netlink.default_gateways()
        answering = netlink.answering_neighbours()
        servers, suffix = linux_files.resolver(self._root)
        return tuple(
            Adapter(
                name=link.name,
                mac=link.mac,
                link_up=link.link_up,
                addresses=tuple(_address(a, ahead_s) for a in addresses if a.index == link.index),
                gateways=tuple(gateway for index, gateway in gateways if index == link.index),
                lease=self._lease(link.name),
                received_frames=link.received_frames,
                index=link.index,
                dns_servers=servers,
                dns_suffix=suffix,
                reachable_gateways=tuple(
                    ip for index, ip in gateways if index == link.index and (index, ip) in answering
                ),
            )
            for link in netlink.links()
        )

    @contextlib.contextmanager
    def changes(self) -> Iterator[Callable[[float], None]]:
        """The kernel tells them by rtnetlink; a message of DHCP ends the waiting too."""
        with contextlib.ExitStack() as stack:
            listener = linux_dhcp.open_listener()
            if listener is not None:
                stack.enter_context(listener)
            wait_for_change = stack.enter_context(netlink.changes(listener))

            def wait(within_s: float) -> None:
                wait_for_change(within_s)
                for heard in linux_dhcp.overheard(listener) if listener is not None else ():
                    self._heard.put(heard)

            yield wait

    def overheard(self) -> tuple[Overheard, ...]:
        """By a packet socket, with the right to it."""
        return tuple(self._heard.get() for _ in range(self._heard.qsize()))

    def identity(self) -> Identity:
        """SMBIOS marks by /sys/class/dmi/id; the serial number and UUID need root."""
        from pe_agent.model import Identity  # noqa: PLC0415 - the first probes do without

        return Identity(
            smbios_uuid=self._dmi("product_uuid").lower(),
            serial=self._dmi("product_serial"),
            manufacturer=self._dmi("sys_vendor"),
            model=self._dmi("product_name"),
            macs=tuple(sorted(link.mac for link in netlink.links())),
            computer_name=platform.node(),
        )

    def boot(self) -> Boot:
        """The kernel's boot identifier; this system is no boot image, so those fields stay empty."""
        from pe_agent.model import Boot  # noqa: PLC0415

        boot_id = _read(Path("/proc/sys/kernel/random/boot_id"))
        return Boot(began=self.clock(), boot_id=boot_id, os_version=f"Linux {platform.release()}")

    def architecture(self) -> Architecture:
        """Processor and image are the same question on Linux unless a 32-bit kernel runs on x64."""
        machine = _MACHINE_WORDS.get(platform.machine().lower(), "")
        uefi = Path("/sys/firmware/efi").is_dir()
        width = _read(Path("/sys/firmware/efi/fw_platform_size"))
        firmware = {"32": "x86", "64": machine}.get(width, "") if uefi else ""
        return Architecture(
            cpu=_cpu(machine),
            firmware=firmware,
            firmware_type="uefi" if uefi else "bios",
            image=machine,
            process=machine if platform.architecture()[0] == "64bit" else "x86",
        )

    def devices_without_driver(self) -> tuple[Device, ...]:
        """PCI and USB network devices below /sys/bus of the root."""
        return (*linux_files.pci_without_driver(self._root), *linux_files.usb_without_driver(self._root))

    def boot_record(self) -> BootRecord | None:
        """Linux keeps none."""
        return None

    def log_candidates(self) -> Iterable[tuple[str, Path]]:
        """Logs below the root, shown with the path they have there."""
        for path in log_places.table().find(self._root):
            yield f"/{path.relative_to(self._root).as_posix()}", path

    def spool_folders(self) -> Iterable[Path]:
        """Marked volumes, the user's state folder, the system's temporary folder."""
        yield from (root / volumes.FOLDER for root in volumes.marked_volumes())
        state = os.environ.get("XDG_STATE_HOME")
        yield (Path(state) if state else Path.home() / ".local" / "state") / "pe-agent" / "spool"
        yield Path(tempfile.gettempdir()) / "pe-agent" / "spool"

    def _dmi(self, name: str) -> str:
        return _read(self._root / "sys" / "class" / "dmi" / "id" / name)

    def _lease(self, adapter: str) -> Lease | None:
        path = self._root / "var" / "lib" / "dhcpcd" / f"{adapter}.lease"
        try:
            octets = path.read_bytes()[: dhcp.MAX_MESSAGE_OCTETS]
            written_s = path.stat().st_mtime
            ack = dhcp.decode_message(octets)
        except (OSError, DecodeError):
            return None
        obtained_at_s = self.clock().uptime_s - max(0.0, time.time() - written_s)
        return Lease(
            server=ack.address(dhcp.SERVER_IDENTIFIER),
            # A lease from before this boot has no moment on its clock.
            obtained_at_s=obtained_at_s if obtained_at_s >= 0 else None,
            lease_s=ack.number(dhcp.LEASE_TIME),
            gateway=ack.address(dhcp.ROUTER),
            boot_server=ack.boot_server,
            boot_file=ack.boot_file,
            next_server="" if ack.siaddr == "0.0.0.0" else ack.siaddr,
            dns_servers=ack.addresses(dhcp.DNS_SERVER),
            domain_name=ack.text(dhcp.DOMAIN_NAME),
            time_servers=ack.addresses(dhcp.TIME_SERVER),
        )

    def _boot_clock_ahead_s(self) -> float:
        """How far this process's boot clock is ahead of the kernel's own uptime (time_namespaces(7))."""
        for line in _read(Path("/proc/self/timens_offsets")).splitlines():
            name, seconds, nanoseconds = line.split()
            if name == "boottime":
                return int(seconds) + int(nanoseconds) / 1e9
        return 0.0


def _address(address: netlink.InterfaceAddress, ahead_s: float) -> Address:
    created = None if address.created_cs is None else address.created_cs / 100 + ahead_s
    link_local = address.ip.startswith(("169.254.", "fe80:"))
    origin = "link-local" if link_local else ("manual" if address.permanent else "dhcp")
    return Address(
        ip=address.ip,
        prefix_length=address.prefix_length,
        created_at_s=created,
        tentative=address.tentative,
        duplicate=address.duplicate,
        origin=origin,
    )


def _cpu(machine: str) -> str:
    """What the processor can run: the `lm` flag (long mode) makes an x86 processor x64."""
    if machine != "x86":
        return machine
    return "x64" if " lm " in _read(Path("/proc/cpuinfo"), limit=1 << 16) else "x86"


def _read(path: Path, limit: int = 4096) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "replace").strip()
    except OSError:
        return ""
