"""What is a client machine of the laboratory, and what happens when it boots?"""

from __future__ import annotations

import os
import sys
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import Self

from .daemons import WDS_SERVER
from .panther import setupact_log
from .places import LabError, Place

IMAGE_BUILD = "2024.11-lab"
IMAGE_NAME = "boot.wim x64 lab"
_MACHINES = Path(__file__).with_name("machines.toml")
# dhcpcd keeps Windows' habits (169.254 after an unanswered while, client identifier 01 and the MAC);
# --noarp leaves out the probes for a duplicate, which take it five seconds.
_DHCPCD = (
    "dhcpcd",
    "-4",
    "--nodelay",
    "--noarp",
    "--waitip=4",
    "--timeout=60",
    "--clientid=",
    "--script=/bin/true",
    "--option=routers,tftp_server_name,bootfile_name,domain_name",
)
LEASE_FOLDER = Path("var/lib/dhcpcd")
SETUP_LOG = Path("Windows/Panther/setupact.log")


@dataclass(frozen=True, slots=True)
class Machine:
    """The marks of one machine, as its firmware tells them."""

    product_uuid: str
    product_serial: str
    sys_vendor: str
    product_name: str
    mac: str


@dataclass(frozen=True, slots=True)
class Client:
    """A machine on the bench: its place holds the network; `root` is what the agent reads as the file system."""

    name: str
    subnet: str
    machine: Machine
    place: Place
    root: Path

    def write_firmware(self) -> None:
        """Lay out the folders and the marks under `sys/class/dmi/id`."""
        marks = self.root / "sys/class/dmi/id"
        for folder in (marks, self.root / LEASE_FOLDER, self.root / SETUP_LOG.parent, self.root / "state"):
            folder.mkdir(parents=True)
        for mark in ("product_uuid", "product_serial", "sys_vendor", "product_name"):
            (marks / mark).write_text(getattr(self.machine, mark) + "\n", encoding="ascii")


class Boot:
    """One boot of a client, from power-on until `close`."""

    def __init__(self, client: Client, folder: Path, *, fresh_clock: bool) -> None:
        self.client = client
        self.place = Place(client.name, folder, client.place, fresh_clock=fresh_clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """From the adapter's link to Setup's first talk with the WDS server.

        Raises:
            LabError: no lease within a minute.
        """
        self._power_on()
        self.place.must("ip", "link", "set", "dev", "eth0", "up")
        done = self.place.run(*_DHCPCD, "eth0")
        if done.returncode or not self.lease_path.exists():
            raise LabError(f"{self.client.name}: no lease: {done.stderr.strip()}")
        began = datetime.now(UTC)
        log = setupact_log(began, answered=self.can_connect(WDS_SERVER, 5040))
        self.setup_log_path.write_bytes(log)

    @property
    def lease_path(self) -> Path:
        """The DHCP ACK that gave the address, as it came over the wire (without its UDP header)."""
        return self.client.root / LEASE_FOLDER / "eth0.lease"

    @property
    def setup_log_path(self) -> Path:
        """The log of Windows Setup."""
        return self.client.root / SETUP_LOG

    def can_connect(self, address: str, port: int, within_s: float = 2.0) -> bool:
        """Whether a TCP connection opens from this client."""
        words = ("timeout", f"{within_s:g}", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}")
        return self.place.run(*words).returncode == 0

    def run_agent(self, args: Sequence[str], env: Mapping[str, str] | None = None) -> CompletedProcess[str]:
        """Run `pe-agent` on this machine; `env` adds to the laboratory's settings."""
        state = self.client.root / "state"
        settings = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": str(state),
            "TMPDIR": str(state),
            "PE_AGENT_SYSROOT": str(self.client.root),
            "PE_AGENT_IMAGE_BUILD": IMAGE_BUILD,
            "PE_AGENT_IMAGE_NAME": IMAGE_NAME,
        }
        return self.place.run(sys.executable, "-m", "pe_agent", *args, env=settings | dict(env or {}), timeout_s=120)

    def close(self) -> None:
        """Power off: its processes end, the adapter goes down and forgets its address."""
        self.place.close()
        if self.client.place.is_open:
            self.client.place.must("ip", "link", "set", "dev", "eth0", "down")
            self.client.place.must("ip", "address", "flush", "dev", "eth0")

    def _power_on(self) -> None:
        self.lease_path.unlink(missing_ok=True)
        boot_id = self.client.root / "boot_id"
        boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        self.place.must("mount", "-t", "tmpfs", "tmpfs", "/run")
        self.place.must("mount", "--bind", str(self.lease_path.parent), "/var/lib/dhcpcd")
        self.place.must("mount", "--bind", str(boot_id), "/proc/sys/kernel/random/boot_id")


def machine(name: str, order: int) -> Machine:
    """The machine called `name`; the same name is the same machine in every laboratory."""
    rows = tomllib.loads(_MACHINES.read_text(encoding="utf-8"))["machine"]
    row = rows[order % len(rows)]
    number = int(name[1:])
    return Machine(
        product_uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.lab.test")),
        product_serial=f"{row['serial']}{name.upper()}",
        sys_vendor=row["sys_vendor"],
        product_name=row["product_name"],
        mac=f"{row['oui']}:{ord(name[0]):02x}:{number >> 8:02x}:{number & 255:02x}",
    )
