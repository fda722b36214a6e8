"""Which further real programs do the boot-path cases need, and how are they configured?"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .daemons import DHCP_SERVER, WDS_SERVER, wait_for_port
from .places import Place

PROGRAMS = ("dnsmasq", "in.tftpd", "kea-dhcp4")
ROGUE = "10.10.1.66"
_ROGUE = """
port=0
dhcp-range=10.10.1.200,10.10.1.220,255.255.255.0,10m
dhcp-option=option:router,10.10.1.66
listen-address=10.10.1.66
bind-interfaces
no-ping
leasefile-ro
pid-file=
user=root
log-facility=-
"""


def missing_programs() -> tuple[str, ...]:
    """Names of the needed programs that this machine does not have."""
    return tuple(name for name in PROGRAMS if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"))


def stop(place: Place, program: str) -> None:
    """End every process of this name in this place; it must be running.

    Raises:
        LabError: nothing of that name runs here.
    """
    place.must("sh", "-c", f"kill -KILL $(pidof {program}) && while pidof {program}; do sleep 0.02; done")


def start_rogue_dhcp(place: Place, folder: Path) -> None:
    """A dnsmasq such as a forgotten home router runs: other addresses, itself as the router, no boot options."""
    config = folder / "rogue.conf"
    config.write_text(_ROGUE, encoding="ascii")
    place.start("rogue", ("dnsmasq", "--keep-in-foreground", f"--conf-file={config}"))
    wait_for_port(place, "udp", 67)


def start_boot_menu(place: Place, folder: Path) -> None:
    """The dnsmasq of the WDS server once more: proxyDHCP on 67, the boot menu on 4011, TFTP on 69."""
    place.start("dnsmasq-again", ("dnsmasq", "--keep-in-foreground", f"--conf-file={folder / 'dnsmasq.conf'}"))
    wait_for_port(place, "udp", 4011)


def start_tftpd(place: Place, folder: Path, address: str = WDS_SERVER) -> None:
    """tftpd-hpa, which grants large blocks; its map turns the backslashes of Windows into slashes."""
    rules = folder / "tftpd.map"
    rules.write_text("gr \\\\ /\n", encoding="ascii")
    words = ("in.tftpd", "--foreground", "--listen", "--address", f"{address}:69", "--user", "root")
    place.start("tftpd", (*words, "--map-file", str(rules), "--secure", str(folder / "tftp")))
    wait_for_port(place, "udp6" if ":" in address else "udp", 69)


def start_kea(place: Place, folder: Path, boot_options: dict[str, str]) -> None:
    """Kea for both client networks, with these options (by Kea's names) and no others that name a boot server."""
    config = folder / "kea.json"
    config.write_text(json.dumps({"Dhcp4": _kea(boot_options)}), encoding="ascii")
    settings = {"PATH": os.environ["PATH"], "KEA_LOCKFILE_DIR": "none", "KEA_PIDFILE_DIR": str(folder)}
    place.start("kea", ("kea-dhcp4", "-c", str(config)), env=settings)
    wait_for_port(place, "udp", 67)


def start_relay_to(router: Place, servers: Sequence[str] = (DHCP_SERVER,)) -> None:
    """ISC dhcrelay from both client networks to these servers: the IP helpers of a router."""
    faces = ("-id", "swa", "-id", "swb", "-iu", "sws")
    router.start("dhcrelay-again", ("dhcrelay", "-4", "-d", "--no-pid", *faces, *servers))
    wait_for_port(router, "udp", 67)


def _kea(boot_options: dict[str, str]) -> dict[str, object]:
    # A value that begins with 0x goes out octet by octet.
    options = [
        {"name": name, "data": data.removeprefix("0x"), "csv-format": not data.startswith("0x")}
        for name, data in boot_options.items()
    ]
    return {
        "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "udp"},
        "lease-database": {"type": "memfile", "persist": False},
        "authoritative": True,
        "valid-lifetime": 3600,
        "option-data": options,
        "subnet4": [
            {
                "id": number,
                "subnet": f"10.10.{number}.0/24",
                "pools": [{"pool": f"10.10.{number}.100 - 10.10.{number}.199"}],
                "option-data": [{"name": "routers", "data": f"10.10.{number}.1"}],
            }
            for number in (1, 2)
        ],
    }
