"""What the agent asks of the machine it runs on: one protocol, one module for each system.

Tests put a fake here and nowhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pe_agent.errors import UsageError
from pe_agent.observed import Clock

if TYPE_CHECKING:
    from pe_agent.model import Boot, Identity


@dataclass(frozen=True, slots=True)
class Address:
    """An address on an adapter. `created_at_s` seconds since boot, None when the system does not tell.

    `origin` is `dhcp`, `link-local`, `manual` or empty (not known).
    """

    ip: str
    prefix_length: int
    created_at_s: float | None = None
    tentative: bool = False
    duplicate: bool = False
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """What the system remembers of the DHCP lease; times in seconds."""

    server: str = ""
    obtained_at_s: float | None = None
    lease_s: int | None = None
    gateway: str = ""
    boot_server: str = ""
    boot_file: str = ""
    next_server: str = ""
    dns_servers: tuple[str, ...] = ()
    domain_name: str = ""
    time_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapter:
    """A network adapter as the system sees it now.

    `reachable_gateways` are those whose link address the system has found out: they answered on the wire.
    `index` is the system's own number, which stands behind the `%` of a link-local address; 0 is not known.
    """

    name: str
    mac: str
    link_up: bool
    addresses: tuple[Address, ...] = ()
    gateways: tuple[str, ...] = ()
    lease: Lease | None = None
    received_frames: int | None = None
    driver: str = ""
    hardware_id: str = ""
    dns_servers: tuple[str, ...] = ()
    dns_suffix: str = ""
    reachable_gateways: tuple[str, ...] = ()
    index: int = 0


@dataclass(frozen=True, slots=True)
class Overheard:
    """One message between a DHCP client and a server, seen on an adapter: an offer, or an address that was declined.

    A client declines an address that another machine answers for (RFC 2131 section 3.1 step 5).
    """

    at_s: float
    adapter: str
    address: str
    server: str
    client_mac: str
    declined: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A network device that no driver serves, so that it is no adapter; `hardware_id` as Windows writes it.

    `problem` is the Windows problem code (28: no driver installed), None where the system has none.
    """

    hardware_id: str
    description: str = ""
    problem: int | None = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """Five separate facts that people mix up. Words: `x86`, `x64`, `arm`, `arm64`; empty means not known.

    Attributes:
        cpu: what the processor can run, whatever runs on it now.
        firmware: bitness of the firmware that booted, `x86`, `x64`, `arm64`.
        firmware_type: `bios` or `uefi`.
        image: of the operating system that is running (in Windows PE: of the boot image).
        process: of the Python that runs the agent.
        secure_boot: None when the system does not tell.
    """

    cpu: str = ""
    firmware: str = ""
    firmware_type: str = ""
    image: str = ""
    process: str = ""
    secure_boot: bool | None = None


@dataclass(frozen=True, slots=True)
class BootRecord:
    """What Windows PE remembers of the network boot: the DHCP ACK and the boot server's reply, as packets.

    Source: HKLM\\SYSTEM\\CurrentControlSet\\Control (PEBootServerName, PEFirmwareType by `wpeutil UpdateBootInfo`;
    PXE\\DhcpServerACK and PXE\\BootServerReply by the kernel). `firmware_type` is `bios` or `uefi`.
    """

    server_name: str = ""
    server_address: str = ""
    firmware_type: str = ""
    dhcp_ack: bytes = b""
    boot_reply: bytes = b""


class Host(Protocol):
    """The machine under test."""

    def clock(self) -> Clock:
        """Both clocks, now."""

    def adapters(self) -> tuple[Adapter, ...]:
        """All adapters but loopback."""

    def changes(self) -> AbstractContextManager[Callable[[float], None]]:
        """Within the block a call returns when an adapter, address or neighbour may have changed since the last one.

        It returns after so many seconds at the latest. Not everything is told: counters of frames never are.
        """

    def overheard(self) -> tuple[Overheard, ...]:
        """DHCP seen on the wire since the last call, while `changes` was open; empty where no program may listen."""

    def identity(self) -> Identity:
        """The marks of this machine."""

    def boot(self) -> Boot:
        """Which boot and image this is."""

    def architecture(self) -> Architecture:
        """Processor, firmware, image and process, each for itself."""

    def devices_without_driver(self) -> tuple[Device, ...]:
        """Network devices on a bus that no driver serves."""

    def boot_record(self) -> BootRecord | None:
        """The network boot's own record; None when this system keeps none."""

    def log_candidates(self) -> Iterable[tuple[str, Path]]:
        """Setup logs that exist: the path to show, the path to open."""

    def spool_folders(self) -> Iterable[Path]:
        """Where a report can be kept, best first; a folder need not exist yet."""


def this_host(system_root: Path | None = None) -> Host:
    """The host this process runs on; `system_root` reads firmware facts and logs below another folder."""
    if sys.platform == "win32":
        from pe_agent.host.windows import WindowsHost  # noqa: PLC0415 - its module needs Windows

        return WindowsHost(system_root)
    if sys.platform == "linux":
        from pe_agent.host.linux import LinuxHost  # noqa: PLC0415 - its module needs Linux

        return LinuxHost(system_root)
    raise UsageError(f"pe-agent runs on Windows and Linux; this is {sys.platform}")
