"""Which further real servers can stand in the laboratory: name servers, time servers, file servers with odd clocks?"""

from __future__ import annotations

import shutil
from pathlib import Path

from .daemons import wait_for_port
from .places import Place

_SAMBA = """
[global]
  workgroup = LAB
  netbios name = FILES01
  server role = standalone server
  server signing = {signing}
  rpc start on demand helpers = no
  smb ports = 445 139
  load printers = no
  disable spoolss = yes
  log file = {folder}/log.%m
  lock directory = {folder}
  state directory = {folder}
  cache directory = {folder}
  private dir = {folder}
  pid directory = {folder}
  ncalrpc dir = {folder}/ncalrpc
"""
_DNSMASQ = """
port=53
listen-address={address}
bind-interfaces
no-resolv
no-hosts
local=/lab.test/
host-record=wds01.lab.test,10.10.9.20
host-record=stale.lab.test,10.10.9.99
pid-file=
user=root
log-queries
log-facility=-
{records}
"""
_CHRONY = """
local stratum 3
allow all
cmdport 0
pidfile {folder}/chronyd.pid
driftfile {folder}/drift
"""


def missing(*programs: str) -> str:
    """Why a case cannot run here; empty when all these programs exist."""
    absent = [name for name in programs if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")]
    return f"needs {', '.join(absent)}" if absent else ""


def start_name_server(place: Place, folder: Path, address: str, *records: str) -> None:
    """A dnsmasq that knows lab.test and `NAME,ADDRESS` records, and refuses the rest: it has nobody to ask."""
    config = folder / "dns.conf"
    config.write_text(
        _DNSMASQ.format(address=address, records="\n".join(f"host-record={record}" for record in records)),
        encoding="ascii",
    )
    place.start("dns", ("dnsmasq", "--keep-in-foreground", f"--conf-file={config}"))
    place.must(
        "bash", "-c", f"for i in $(seq 100); do exec 3<>/dev/tcp/{address}/53 && exit 0; sleep .05; done; exit 1"
    )


def start_time_server(place: Place, folder: Path, clock: str = "") -> None:
    """A chronyd that serves its own clock, or one that is off by `clock`, as faketime(1) writes it: `-400d`."""
    folder.mkdir(exist_ok=True)
    config = folder / "chrony.conf"
    config.write_text(_CHRONY.format(folder=folder), encoding="ascii")
    place.start("chronyd", (*_by_clock(place, clock), "chronyd", "-d", "-x", "-u", "root", "-f", str(config)))
    wait_for_port(place, "udp", 123)


def start_file_server(place: Place, folder: Path, clock: str = "", signing: str = "default") -> None:
    """An smbd on 445 and 139 whose clock may be off, with nmbd on 137 and 138."""
    folder.mkdir(exist_ok=True)
    (folder / "ncalrpc").mkdir(exist_ok=True)
    config = folder / "smb.conf"
    config.write_text(_SAMBA.format(folder=folder, signing=signing), encoding="utf-8")
    place.start("smbd", (*_by_clock(place, clock), "smbd", "-F", "--no-process-group", "-s", str(config)))
    place.start("nmbd", ("nmbd", "-F", "--no-process-group", "-s", str(config)))
    wait_for_port(place, "tcp", 445)
    wait_for_port(place, "udp", 137)


def _by_clock(place: Place, clock: str) -> tuple[str, ...]:
    """The words before a program that let it see another time."""
    if not clock:
        return ()
    # faketime names its shared memory by process number, and each place counts its processes from 1.
    place.must("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
    return ("faketime", "-f", clock)
