"""The agent's host on Windows and Windows PE, by IP Helper and the registry; no pdh.dll, no WMI, no PowerShell.

What only some questions need is loaded by these: the first of a run ask the registry and wait for nothing else.
Seen under Wine only. Not verified on Windows PE: PEBoot* values.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from pe_agent.errors import DecodeError
from pe_agent.host import Adapter, Architecture, BootRecord, Device, Overheard
from pe_agent.host import win_registry as registry
from pe_agent.observed import Clock

if TYPE_CHECKING:
    from pe_agent.model import Boot, Identity

assert sys.platform == "win32"  # noqa: S101 - tells type checkers what this module is for

# FIRMWARE_TYPE (winnt.h); PEFirmwareType in the registry has the same numbers.
_FIRMWARE_TYPES = {1: "bios", 2: "uefi"}
_TICKS = "GetTickCount64()"


class WindowsHost:
    """Asks the running system; `root` is used for logs only (a mounted disk of another machine)."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    def clock(self) -> Clock:
        """GetTickCount64 runs through time asleep and does not follow the wall clock."""
        minutes = time.localtime().tm_gmtoff // 60
        return Clock(_uptime_s(), time.time_ns() // 1_000_000, minutes)

    def adapters(self) -> tuple[Adapter, ...]:
        """Adapters as IP Helper lists them; loopback and tunnels are left out."""
        from pe_agent.host import win_adapters  # noqa: PLC0415

        return win_adapters.adapters(self.clock)

    def changes(self) -> AbstractContextManager[Callable[[float], None]]:
        """IP Helper tells them of interfaces and addresses."""
        from pe_agent.host import win_network  # noqa: PLC0415

        return win_network.changes()

    def overheard(self) -> tuple[Overheard, ...]:
        """Windows lets drivers listen, no program."""
        return ()

    def identity(self) -> Identity:
        """SMBIOS marks by GetSystemFirmwareTable."""
        from pe_agent.codec import smbios  # noqa: PLC0415
        from pe_agent.host import win_kernel  # noqa: PLC0415
        from pe_agent.model import Identity  # noqa: PLC0415

        try:
            system = smbios.decode_raw(win_kernel.smbios_octets())
        except DecodeError:
            system = smbios.SystemInformation()
        macs = tuple(sorted({a.mac for a in self.adapters() if a.mac}))
        name = os.environ.get("COMPUTERNAME", "")
        return Identity(system.uuid, system.serial, system.manufacturer, system.product, macs, name)

    def boot(self) -> Boot:
        """Windows has no boot identifier; the moment of the boot on both clocks stands for it."""
        from pe_agent.model import Boot  # noqa: PLC0415

        version = sys.getwindowsversion()
        edition = registry.text(registry.WINDOWS, "EditionID")
        text = f"Windows {version.major}.{version.minor}.{version.build} {edition}".strip()
        return Boot(began=self.clock(), os_version=text)

    def architecture(self) -> Architecture:
        """Windows PE has no WoW64, so there the process's architecture is the image's."""
        from pe_agent.host import processor, win_kernel  # noqa: PLC0415

        image = win_kernel.native_architecture()
        firmware_type = _firmware_type()
        secure = registry.number(registry.SECURE_BOOT, "UEFISecureBootEnabled")
        wow64 = os.environ.get("PROCESSOR_ARCHITEW6432", "")
        return Architecture(
            cpu=processor.behind(image, wow64, win_kernel.smbios_octets()),
            firmware=image if firmware_type == "uefi" else "",
            firmware_type=firmware_type,
            image=image,
            process=win_kernel.process_architecture(image),
            secure_boot=None if secure is None else bool(secure),
        )

    def devices_without_driver(self) -> tuple[Device, ...]:
        """Network devices below Enum that no driver was installed for."""
        from pe_agent.host import win_network  # noqa: PLC0415

        return win_network.devices_without_driver()

    def boot_record(self) -> BootRecord | None:
        """What `wpeutil UpdateBootInfo` wrote; None outside a network-booted Windows PE."""
        name = registry.text(registry.CONTROL, "PEBootServerName")
        address = registry.text(registry.CONTROL, "PEBootServerAddr")
        ack, reply = (registry.octets(registry.PXE, value) for value in ("DhcpServerACK", "BootServerReply"))
        if not (name or address or ack or reply):
            return None
        return BootRecord(name, address, _firmware_type(), ack, reply)

    def log_candidates(self) -> Iterable[tuple[str, Path]]:
        """Logs on the system drive, then on every fixed disk."""
        from pe_agent import log_places  # noqa: PLC0415

        for drive in self._drives():
            for path in log_places.table().find(drive):
                yield str(path), path

    def spool_folders(self) -> Iterable[Path]:
        """Marked volumes, as X: is lost with the boot; beside the agent (X:\\pe-agent\\spool); the temporary folder."""
        from pe_agent import volumes  # noqa: PLC0415

        yield from (root / volumes.FOLDER for root in volumes.marked_volumes())
        yield Path(sys.executable).parent / "spool"
        import tempfile  # noqa: PLC0415

        yield Path(tempfile.gettempdir()) / "pe-agent" / "spool"

    def _drives(self) -> Iterator[Path]:
        if self._root is not None:
            yield self._root
            return
        from pe_agent.host import win_kernel  # noqa: PLC0415

        # The drive of the agent itself is that of the image, also where the environment says something else.
        own = [os.environ.get("SYSTEMDRIVE", "X:").upper() + "\\", Path(sys.executable).drive.upper() + "\\"]
        yield from (Path(drive) for drive in dict.fromkeys((*own, *win_kernel.fixed_drives())))


def _uptime_s() -> float:
    """Python's own clock is GetTickCount64 up to 3.12; later ones have another beginning."""
    if time.get_clock_info("monotonic").implementation == _TICKS:
        return time.monotonic()
    from pe_agent.host import win_kernel  # noqa: PLC0415

    return win_kernel.ticks_s()


def _firmware_type() -> str:
    kept = registry.number(registry.CONTROL, "PEFirmwareType")
    if kept in _FIRMWARE_TYPES:
        return _FIRMWARE_TYPES[kept]
    from pe_agent.host import win_kernel  # noqa: PLC0415

    return _FIRMWARE_TYPES.get(win_kernel.firmware_type() or 0, "")
