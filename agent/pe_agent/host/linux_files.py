"""What Linux tells by files only: the name servers, and the network devices that have no driver.

Source: resolv.conf(5); Documentation/ABI/testing/sysfs-bus-pci and sysfs-bus-usb; PCI class codes 02xxxx.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pe_agent.host import Device

_MOST_OCTETS = 4096
# PCI base class 02 is a network controller; USB class 02 subclass 06 is Ethernet (CDC ECM), 0d is NCM.
_PCI_NETWORK = "0x02"
_USB_NETWORK = {("02", "06"), ("02", "0d")}


def resolver(root: Path) -> tuple[tuple[str, ...], str]:
    """The name servers of /etc/resolv.conf below `root`, in order, and its first search suffix."""
    servers: list[str] = []
    suffix = ""
    for line in read(root / "etc" / "resolv.conf").splitlines():
        word, *values = line.split()[:2] or [""]
        if word == "nameserver" and values:
            servers.append(values[0])
        elif word in {"search", "domain"} and values:
            suffix = values[0].rstrip(".")
    return tuple(dict.fromkeys(servers)), suffix


def pci_without_driver(root: Path) -> Iterator[Device]:
    """PCI network controllers that no driver is bound to."""
    for folder in _folders(root / "sys" / "bus" / "pci" / "devices"):
        if read(folder / "class").startswith(_PCI_NETWORK) and not (folder / "driver").exists():
            yield Device(_pci_id(folder), folder.name)


def usb_without_driver(root: Path) -> Iterator[Device]:
    """USB network interfaces that no driver is bound to; the hardware id is that of the device they belong to."""
    for folder in _folders(root / "sys" / "bus" / "usb" / "devices"):
        kind = (read(folder / "bInterfaceClass"), read(folder / "bInterfaceSubClass"))
        if kind not in _USB_NETWORK or (folder / "driver").exists():
            continue
        device = folder.parent / folder.name.partition(":")[0]
        yield Device(f"USB\\VID_{read(device / 'idVendor').upper()}&PID_{read(device / 'idProduct').upper()}")


def read(path: Path) -> str:
    """The beginning of a small text file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_OCTETS).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _folders(parent: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(parent.iterdir()))
    except OSError:
        return ()


def _pci_id(folder: Path) -> str:
    """As Windows writes it: `PCI\\VEN_8086&DEV_15F3&SUBSYS_00008086`, subsystem before its vendor."""

    def digits(name: str) -> str:
        return read(folder / name).removeprefix("0x").upper()

    plain = f"PCI\\VEN_{digits('vendor')}&DEV_{digits('device')}"
    subsystem = digits("subsystem_device") + digits("subsystem_vendor")
    return plain + (f"&SUBSYS_{subsystem}" if subsystem else "")
