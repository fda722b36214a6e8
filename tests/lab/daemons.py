"""Which real programs does the laboratory need, how are they configured, and when are they up?"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from .places import LabError, Place

DHCP_SERVER = "10.10.9.10"
WDS_SERVER = "10.10.9.20"
BOOT_FILE = "boot\\x64\\wdsnbp.com"
LEASE_S = 28_800
SAMBA_PROGRAMS = Path("/usr/libexec/samba")
PROGRAMS = ("ip", "nft", "unshare", "nsenter", "dhcpd", "dhcrelay", "dhcpcd", "dnsmasq", "smbd")
# The endpoint mapper owns the port it names, so the RPC server listens beside it and nftables leads clients there.
WDS_LISTENS_ON = 15040

_DHCPD_SUBNET = """
subnet 10.10.{n}.0 netmask 255.255.255.0 {{
  range 10.10.{n}.100 10.10.{n}.199;
  option routers 10.10.{n}.1;
}}
"""
_DHCPD = """
authoritative;
ping-check false;
default-lease-time {lease_s};
max-lease-time {lease_s};
next-server {wds};
filename "{boot_file}";
option tftp-server-name "{wds}";
option bootfile-name "{boot_file}";
subnet 10.10.9.0 netmask 255.255.255.0 {{ }}
"""
_SAMBA = """
[global]
  workgroup = LAB
  netbios name = WDS01
  server role = standalone server
  rpc start on demand helpers = no
  smb ports = 445
  disable netbios = yes
  load printers = no
  disable spoolss = yes
  log file = {folder}/samba.%m.log
  lock directory = {folder}/lock
  state directory = {folder}/state
  cache directory = {folder}/cache
  private dir = {folder}/private
  pid directory = {folder}/pid
  ncalrpc dir = {folder}/ncalrpc
"""
# Answers the question samba-dcerpcd asks each service at its start; it is never asked to serve.
_RPCD_WDS = """#!/bin/sh
if [ "$1" = --list-interfaces ]; then
  printf '1\\n60\\n1a927394-352e-4553-ae3f-7cf4aafca620/0x00000001 wdsrpc\\n ncacn_ip_tcp:[5040]\\n'
  exit 0
fi
exec sleep infinity
"""
_DNSMASQ = """
port=0
enable-tftp
tftp-root={folder}/tftp
listen-address={wds}
except-interface=lo
dhcp-range=10.10.1.0,proxy,255.255.255.0
dhcp-range=10.10.2.0,proxy,255.255.255.0
dhcp-range=10.10.9.0,proxy,255.255.255.0
pxe-service=x86PC,"Windows Deployment Services",boot/x64/wdsnbp
pxe-service=x86-64_EFI,"Windows Deployment Services",boot/x64/wdsnbp.com
pid-file=
user=root
log-dhcp
log-facility=-
"""
_REDIRECT = f"""
table inet wds {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    tcp dport 5040 redirect to :{WDS_LISTENS_ON}
  }}
}}
"""


def missing_programs() -> tuple[str, ...]:
    """Names of the needed programs that this machine does not have."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")]
    samba = [SAMBA_PROGRAMS / name for name in ("samba-dcerpcd", "rpcd_epmapper")]
    return (*missing, *(str(path) for path in samba if not path.exists()))


def start_dhcp_server(place: Place, folder: Path) -> None:
    """ISC dhcpd with options 66 and 67, siaddr and file for both client networks."""
    leases = folder / "dhcpd.leases"
    leases.touch()
    quoted = BOOT_FILE.replace("\\", "\\\\")
    text = _DHCPD.format(lease_s=LEASE_S, wds=WDS_SERVER, boot_file=quoted)
    config = folder / "dhcpd.conf"
    config.write_text(text + "".join(_DHCPD_SUBNET.format(n=n) for n in (1, 2)), encoding="ascii")
    place.start("dhcpd", ("dhcpd", "-4", "-f", "-d", "--no-pid", "-cf", str(config), "-lf", str(leases), "eth0"))
    wait_for_port(place, "udp", 67)


def start_relay(router: Place, downstream: tuple[str, ...], upstream: str) -> None:
    """ISC dhcrelay from the client networks to the DHCP server."""
    faces = [word for name in downstream for word in ("-id", name)]
    router.start("dhcrelay", ("dhcrelay", "-4", "-d", "--no-pid", *faces, "-iu", upstream, DHCP_SERVER))
    wait_for_port(router, "udp", 67)


def start_wds(place: Place, folder: Path) -> None:
    """Everything a client asks of a WDS server: endpoint mapper, RPC, SMB, TFTP and the boot menu on 4011."""
    samba = _samba_config(folder)
    stub = folder / "rpcd_wds"
    stub.write_text(_RPCD_WDS, encoding="ascii")
    stub.chmod(0o755)
    mapper = (str(SAMBA_PROGRAMS / "samba-dcerpcd"), "-F", "--no-process-group", "-s", str(samba))
    place.start("samba-dcerpcd", (*mapper, str(SAMBA_PROGRAMS / "rpcd_epmapper"), str(stub)))
    place.start("smbd", ("smbd", "-F", "--no-process-group", "-s", str(samba)))
    place.start("wds", (sys.executable, str(Path(__file__).with_name("wds.py")), str(WDS_LISTENS_ON)))
    place.start("dnsmasq", ("dnsmasq", "--keep-in-foreground", f"--conf-file={_dnsmasq_config(folder)}"))
    place.must("nft", "-f", "-", stdin=_REDIRECT)
    for transport, port in (("tcp", 135), ("tcp", 445), ("tcp", WDS_LISTENS_ON), ("udp", 69), ("udp", 4011)):
        wait_for_port(place, transport, port)


def wait_for_port(place: Place, transport: str, port: int, within_s: float = 90.0) -> None:
    """Return when something in this place listens.

    Raises:
        LabError: nothing did within `within_s`.
    """
    until_s = time.monotonic() + within_s
    nobody = "0" * (32 if transport.endswith("6") else 8)
    entry = f":{port:04X} {nobody}:0000 {'0A' if transport.startswith('tcp') else '07'}"
    while time.monotonic() < until_s:
        # Each family is asked for by its own name: a client that speaks IPv4 is not helped by a port of IPv6.
        if entry in Path(f"/proc/{place.pid}/net/{transport}").read_text(encoding="ascii"):
            return
        time.sleep(0.05)
    raise LabError(f"{place.name}: nothing listens on {transport} {port} after {within_s:g} s; see the logs of the lab")


def _samba_config(folder: Path) -> Path:
    for name in ("lock", "state", "cache", "private", "pid", "ncalrpc"):
        (folder / name).mkdir(mode=0o755)
    path = folder / "smb.conf"
    path.write_text(_SAMBA.format(folder=folder), encoding="utf-8")
    return path


def _dnsmasq_config(folder: Path) -> Path:
    boot = folder / "tftp" / "boot" / "x64"
    boot.mkdir(parents=True)
    # A 16-bit boot program has no header to recognise; its size is that of a usual wdsnbp.com.
    (boot / "wdsnbp.com").write_bytes(b"\xeb\xfe" + b"\x90" * 30_830)
    path = folder / "dnsmasq.conf"
    path.write_text(_DNSMASQ.format(folder=folder, wds=WDS_SERVER), encoding="utf-8")
    return path
