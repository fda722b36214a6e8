"""How is the laboratory wired, and how does one reach its machines?

    A clients -- swa --+              +-- DHCP 10.10.9.10
                       router -- sws -+-- WDS 10.10.9.20
    B clients -- swb --+              +-- collector 10.10.9.30

The router holds the three switches (bridges), the firewall and the DHCP relay.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import Self

from . import daemons
from .clients import Boot, Client, machine
from .places import LabError, Place, time_namespaces_exist

PREFIXES = {"A": "10.10.1.0/24", "B": "10.10.2.0/24"}
COLLECTOR = "10.10.9.30"
_SWITCHES = {"swa": "10.10.1.1/24", "swb": "10.10.2.1/24", "sws": "10.10.9.1/24"}
_SERVERS = {"dhcp": daemons.DHCP_SERVER, "wds": daemons.WDS_SERVER, "collector": COLLECTOR}
_FIREWALL = """
table ip lab {
  set blocked { type ipv4_addr . inet_service; flags interval; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr . tcp dport @blocked counter drop
  }
}
"""
_FOLDER_PREFIX = "pe-lab-"
# Two processors boot about this many clients at once without making them look slow.
PARALLEL_BOOTS = 4


class Laboratory:
    """The whole network, from `with` to the end of the block; afterwards no process or namespace of it is left.

    Args:
        clients: how many client machines each of the two networks has; they are named a1, a2 ... and b1, b2 ...
        icmp_limits: keep Linux's limits on ICMP errors. Without them one test cannot use up what the next one needs.
    """

    def __init__(self, clients: int = 2, *, icmp_limits: bool = False) -> None:
        self._count = clients
        self._icmp_limits = icmp_limits
        self._open = ExitStack()
        self._blocked: set[tuple[str, int]] = set()
        self.boots: dict[str, Boot] = {}
        self.clients: dict[str, Client] = {}
        self.servers: dict[str, Place] = {}
        self.own_clocks = time_namespaces_exist()

    def __enter__(self) -> Self:
        with ExitStack() as on_failure:
            on_failure.push(self._open)
            self._build()
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def places(self) -> tuple[Place, ...]:
        """Every place that is open now, boots included."""
        boots = tuple(boot.place for boot in self.boots.values())
        return (self.router, *self.servers.values(), *(client.place for client in self.clients.values()), *boots)

    def block_tcp(self, subnet: str, port: int) -> None:
        """Let the router drop this TCP port from subnet `A` or `B`, without a word to anyone."""
        self._change_rule("add", subnet, port)
        self._blocked.add((subnet, port))

    def unblock_tcp(self, subnet: str, port: int) -> None:
        """Take `block_tcp` back."""
        self._change_rule("delete", subnet, port)
        self._blocked.discard((subnet, port))

    def boot_client(self, name: str) -> Boot:
        """Power the machine off and on: clock at 0, adapter from down to up, a DHCP lease, Setup's log.

        Raises:
            LabError: it got no lease.
        """
        former = self.boots.pop(name, None)
        if former is not None:
            former.close()
        boot = Boot(self.clients[name], self.folder, fresh_clock=self.own_clocks)
        self._open.push(boot)
        self.boots[name] = boot
        boot.start()
        return boot

    def boot_all(self, names: Sequence[str] = ()) -> dict[str, Boot]:
        """Boot several clients (all without an argument), a few at a time."""
        chosen = tuple(names) or tuple(self.clients)
        with ThreadPoolExecutor(PARALLEL_BOOTS) as pool:
            return dict(zip(chosen, pool.map(self.boot_client, chosen), strict=True))

    def run_agent(self, name: str, args: Sequence[str], env: Mapping[str, str] | None = None) -> CompletedProcess[str]:
        """Run `pe-agent` in the current boot of the client."""
        return self.boots[name].run_agent(args, env)

    def _build(self) -> None:
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))
        self.folder.chmod(0o755)
        self._open.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.router = self._place("router")
        self._wire_router()
        for name, address in _SERVERS.items():
            self.servers[name] = self._server(name, address)
        for subnet in PREFIXES:
            for number in range(1, self._count + 1):
                self._add_client(subnet, number)
        daemons.start_dhcp_server(self.servers["dhcp"], self.folder)
        daemons.start_relay(self.router, ("swa", "swb"), "sws")
        daemons.start_wds(self.servers["wds"], self.folder)

    def _place(self, name: str) -> Place:
        place = self._open.enter_context(Place(name, self.folder))
        if not self._icmp_limits:
            limit_icmp(place, 0)
        return place

    def _wire_router(self) -> None:
        lines = []
        for switch, address in _SWITCHES.items():
            lines.append(f"link add name {switch} type bridge")
            lines.append(f"address add {address} dev {switch}")
            lines.append(f"link set dev {switch} up")
        self.router.must("ip", "-batch", "-", stdin="\n".join(lines) + "\n")
        self.router.must("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.router.must("nft", "-f", "-", stdin=_FIREWALL)

    def _server(self, name: str, address: str) -> Place:
        place = self._place(name)
        _plug(self.router, place, f"s-{name}", "sws", "")
        lines = (f"address add {address}/24 dev eth0", "link set dev eth0 up", "route add default via 10.10.9.1")
        place.must("ip", "-batch", "-", stdin="\n".join(lines) + "\n")
        return place

    def _add_client(self, subnet: str, number: int) -> None:
        name = f"{subnet.lower()}{number}"
        place = self._place(name)
        marks = machine(name, order=len(self.clients))
        _plug(self.router, place, f"c-{name}", f"sw{subnet.lower()}", marks.mac)
        self.clients[name] = Client(name, subnet, marks, place, self.folder / name)
        self.clients[name].write_firmware()

    def _change_rule(self, verb: str, subnet: str, port: int) -> None:
        if subnet not in PREFIXES:
            raise LabError(f"subnet {subnet!r}: there are {', '.join(PREFIXES)}")
        self.router.must("nft", verb, "element", "ip", "lab", "blocked", f"{{ {PREFIXES[subnet]} . {port} }}")


def limit_icmp(place: Place, apart_ms: int) -> None:
    """After a burst of six ICMP errors to one address, one in so many milliseconds; 0 is no limit (Linux: 1000)."""
    place.must("sysctl", "-qw", f"net.ipv4.icmp_ratelimit={apart_ms}", f"net.ipv6.icmp.ratelimit={apart_ms}")


def _plug(router: Place, place: Place, port: str, switch: str, mac: str) -> None:
    """A cable from `eth0` of a place to a switch in the router. Both ends are made in the router's network."""
    address = f" address {mac}" if mac else ""
    lines = (
        f"link add name {port} type veth peer name eth0{address} netns {place.pid}",
        f"link set dev {port} master {switch}",
        f"link set dev {port} up",
    )
    # From outside the router's PID namespace: the kernel reads `netns PID` with the eyes of the caller.
    router.must_from_outside("ip", "-batch", "-", stdin="\n".join(lines) + "\n")


def _sweep() -> None:
    """Remove what killed laboratories left: only their folders, as nothing else can outlive them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        pid = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
