"""One client, one switch and one server: who is on the wire, and how is the agent made to watch it?"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pe_agent.journal import STATE

from .daemons import wait_for_port
from .places import Place
from .waiting import wait_until

SERVER, FIRST, SECOND = "10.20.0.1", "10.20.0.50", "10.20.0.51"
PREFIX = "fd20::"
_SWITCH = """
link add name br0 type bridge
link set dev br0 up
"""
_DHCPCD = ("dhcpcd", "-4", "--nobackground", "--clientid=", "--script=/bin/true")


class Wire:
    """One client, one switch, one server; the client's link is down until `plug_in`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.client, self.switch, self.server = (
            stack.enter_context(Place(name, folder)) for name in ("client", "switch", "server")
        )
        # A switch of its own says nothing: no frame reaches the client but those of the server and of spanning tree.
        self.switch.must("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")
        self.switch.must("ip", "-batch", "-", stdin=_SWITCH)
        for place, port in ((self.client, "c0"), (self.server, "s0")):
            cable = f"link add name {port} type veth peer name eth0 netns {place.pid}\nlink set dev {port} master br0\n"
            self.switch.must_from_outside("ip", "-batch", "-", stdin=cable)
        self.switch.must("ip", "link", "set", "dev", "s0", "up")
        self.server.must("ip", "address", "add", f"{SERVER}/24", "dev", "eth0")
        self.server.must("ip", "link", "set", "dev", "eth0", "up")
        self.client.must("mount", "-t", "tmpfs", "tmpfs", "/run")
        leases = folder / "root" / "var" / "lib" / "dhcpcd"
        leases.mkdir(parents=True)
        self.client.must("mount", "--bind", str(leases), "/var/lib/dhcpcd")
        self.client.must("ip", "link", "set", "dev", "eth0", "up")

    def add_adapter(self) -> None:
        """A second adapter of the client, eth1, with its cable in the switch."""
        cable = f"link add name c1 type veth peer name eth1 netns {self.client.pid}\nlink set dev c1 master br0\n"
        self.switch.must_from_outside("ip", "-batch", "-", stdin=cable + "link set dev c1 up\n")
        self.client.must("ip", "link", "set", "dev", "eth1", "up")

    def announce(self) -> None:
        """Let the server be an IPv6 router that gives addresses by its advertisements."""
        self.server.must("ip", "address", "add", f"{PREFIX}1/64", "dev", "eth0", "nodad")
        words = ("dnsmasq", "--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--pid-file=", "--user=root")
        often = ("--ra-param=eth0,4,600", "--log-facility=-")
        self.server.start("ra", (*words, "--enable-ra", f"--dhcp-range={PREFIX},ra-only,64", *often))

    def serve(self) -> None:
        """Start the DHCP server."""
        ranges = f"--dhcp-range={FIRST},{SECOND},255.255.255.0,1h"
        words = ("dnsmasq", "--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--no-ping", "--pid-file=")
        leases = f"--dhcp-leasefile={self.folder / 'leases'}"
        self.server.start(
            "dnsmasq", (*words, "--user=root", "--dhcp-sequential-ip", leases, ranges, "--log-facility=-")
        )
        wait_for_port(self.server, "udp", 67)

    def plug_in(self) -> None:
        """The client's cable into the switch."""
        self.switch.must("ip", "link", "set", "dev", "c0", "up")

    def pull_out(self) -> None:
        """The cable out again."""
        self.switch.must("ip", "link", "set", "dev", "c0", "down")

    def address(self) -> str:
        """The client's IPv4 address; empty as long as it has none."""
        words = self.client.must("ip", "-brief", "-4", "address", "show", "dev", "eth0").split()
        return words[2] if len(words) > 2 else ""

    def ask_for_address(self, *options: str, adapter: str = "eth0") -> None:
        """Start the DHCP client."""
        self.client.start("dhcpcd", (*_DHCPCD, *options, adapter))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


class Watch:
    """The agent, watching in the client until there is an address or `within_s` is over."""

    def __init__(self, wire: Wire, within_s: float, *probes: str, late_after_s: float = 15.0) -> None:
        only = [word for probe in ("address", *probes) for word in ("--only", probe)]
        options = ("--no-send", "--quiet", "--format", "json", "--spool", str(wire.folder / "spool"))
        words = (sys.executable, "-m", "pe_agent", "report", *only, *options, "--wait-for-address", f"{within_s:g}")
        environment = {"PE_AGENT_SYSROOT": str(wire.folder / "root"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        environment["PE_AGENT_LATE_AFTER_S"] = f"{late_after_s:g}"
        self._log = wire.folder / "agent.log"
        self._process = wire.client.start("agent", words, env=environment)
        looked = wire.folder / "spool" / STATE
        wait_until(
            "the agent's first look, which has to come before the cable",
            lambda: '"present"' in _text(looked) or self._process.poll(),
        )

    def report(self) -> dict[str, Any]:
        """What it found, when it has ended."""
        self._process.wait(timeout=200)
        text = self._log.read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text[text.index("{") :])
        return found


class Hook:
    """The agent as the boot hook starts it: it watches on after its probes, for `watch_s`."""

    def __init__(self, wire: Wire, within_s: float, watch_s: float, late_after_s: float = 15.0) -> None:
        options = ("--foreground", "--no-send", "--only", "address", "--spool", str(wire.folder / "spool"))
        times = ("--wait-for-address", f"{within_s:g}", "--watch", f"{watch_s:g}")
        environment = {"PE_AGENT_SYSROOT": str(wire.folder / "root"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        environment["PE_AGENT_LATE_AFTER_S"] = f"{late_after_s:g}"
        self._state = wire.folder / "spool" / STATE
        words = (sys.executable, "-m", "pe_agent", "auto", *options, *times)
        self._process = wire.client.start("agent", words, env=environment)
        self.wait_for("the agent's first look", '"present"')

    def wait_for(self, what: str, text: str) -> None:
        """Until the state file, which is there while the agent runs, has this text."""
        wait_until(what, lambda: text in _text(self._state) or self._process.poll() is not None)

    def report(self) -> dict[str, Any]:
        """What it found, when it has ended."""
        self._process.wait(timeout=200)
        found: dict[str, Any] = json.loads(_text(self._state))["report"]
        return found


def events(report: dict[str, Any], *kinds: str) -> list[tuple[str, float]]:
    chosen = [(e["kind"], e["at_s"]) for e in report["timeline"] if e["adapter"] == "eth0"]
    return [event for event in chosen if event[0] in kinds]


def answer(report: dict[str, Any], probe: str) -> dict[str, Any]:
    found: dict[str, Any] = next(o for o in report["observations"] if o["probe"] == probe and o["target"] == "eth0")
    return found
