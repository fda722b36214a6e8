"""The port-state laboratory as one block: `with laboratory() as network:`. No root needed, nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import rules
from .table import Case, address_of

HERE = Path(__file__).parent
RPC_SERVER = HERE.parents[1] / "agent" / "network" / "rpc_server.py"
_TOOLS = ("ip", "nft", "unshare", "nsenter", "sysctl")
# The listeners of a boot server besides WDS RPC and the endpoint mapper.
_HEALTHY = ("53=dns", "67=dhcp", "69=tftp", "445=smb", "4011=pxe")
_HOLD = "mount -t tmpfs t /run && mkdir /run/netns && echo ready && exec sleep 3600"


class NotPossible(Exception):
    """This machine cannot make the laboratory; the message says why."""


@dataclass(frozen=True, slots=True)
class Network:
    """Machines in namespaces that end with the process that holds them."""

    holder: int

    def inside(self, place: str, *command: str) -> list[str]:
        """The command line that runs a command on a machine."""
        enter = ["nsenter", "-t", str(self.holder), "-U", "--preserve-credentials", "-n", "-m"]
        return [*enter, "ip", "netns", "exec", place, *command] if place else [*enter, *command]

    def run(self, place: str, *command: str, text: str = "") -> str:
        """What a command prints; place "" is outside of all machines.

        Raises:
            RuntimeError: the command failed.
        """
        return self.run_both(place, *command, text=text).stdout

    def run_both(self, place: str, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """As `run`, with what the command says on standard error beside it."""
        line = self.inside(place, *command)
        done = subprocess.run(line, input=text, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[:4]} on {place}: {done.stderr}")
        return done

    def ask(self, client: str, endpoints: Sequence[str], probe: str = "wds-rpc") -> list[Mapping[str, Any]]:
        """What a probe answers about `ADDRESS` or `ADDRESS@PORT`, asked from a client at the same time."""
        script = [sys.executable, str(HERE / "ask.py"), probe, *endpoints]
        found: list[Mapping[str, Any]] = json.loads(self.run(client, *script))
        return found

    def ask_cases(self, cases: Sequence[Case], family: int, probe: str = "wds-rpc") -> dict[str, Mapping[str, Any]]:
        """What a probe answers by the name of the row, every row at the same time."""
        clients = list(dict.fromkeys(case.client for case in cases))
        rows = {client: [case for case in cases if case.client == client] for client in clients}

        def answers(client: str) -> list[tuple[str, Mapping[str, Any]]]:
            found = self.ask(client, [address_of(case, family) for case in rows[client]], probe)
            return [(case.name, answer) for case, answer in zip(rows[client], found, strict=True)]

        with ThreadPoolExecutor(len(clients)) as pool:
            return {name: answer for found in pool.map(answers, clients) for name, answer in found}


@contextmanager
def laboratory(*, limited: bool = False) -> Iterator[Network]:
    """Machines, rules and listeners; `limited` keeps the router's ICMP rate limits as Linux has them.

    Raises:
        NotPossible: a tool is missing, or this system grants no user and network namespaces.
    """
    missing = [tool for tool in _TOOLS if not shutil.which(tool)]
    if missing:
        raise NotPossible(f"not installed: {', '.join(missing)}")
    with ExitStack() as open_:
        network = Network(_hold(open_))
        network.run("", "sh", "-c", rules.topology(limited=limited))
        made = {"router": rules.router_rules(), "server": rules.server_rules(), "client": rules.client_rules()}
        for place, text in made.items():
            network.run(place, "nft", "-f", "-", text=text)
        _listen(open_, network)
        yield network


def _hold(open_: ExitStack) -> int:
    command = ["unshare", "-r", "-n", "-m", "sh", "-c", _HOLD]
    holder = open_.enter_context(
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    )
    open_.callback(holder.kill)
    if holder.stdout is None or holder.stdout.readline() != "ready\n":
        raise NotPossible("this system grants no user and network namespaces")
    return holder.pid


def _listen(open_: ExitStack, network: Network) -> None:
    """Start every listener and the long line; all of them are ready afterwards."""
    peers = [f"{port}={kind}" for kind, port in rules.PEER_PORTS.items() if kind in {"drip", "mute"}]
    peers += [*_HEALTHY, f"{rules.UDP_PEER_PORTS['mute']}=mute-udp"]
    proxies = [f"{port}={kind}" for kind, port in rules.PEER_PORTS.items() if kind.startswith("proxy-")]
    wds = [f"wds={address}:5040" for address in ("0.0.0.0", "::")]
    mapper = [f"mapper={address}:135" for address in ("0.0.0.0", "::")]
    other = [f"other={address}:{rules.PEER_PORTS['other']}" for address in ("0.0.0.0", "::")]
    for place, end in (("far", "eth0"), ("router", "r-far")):
        network.run(place, sys.executable, str(HERE / "wire.py"), "0", end)
    _start(
        open_, network.inside("line", sys.executable, str(HERE / "wire.py"), str(rules.FAR_DELAY_S), "left", "right")
    )
    _start(open_, network.inside("server", sys.executable, str(HERE / "peers.py"), *peers), len(peers))
    _start(open_, network.inside("router", sys.executable, str(HERE / "peers.py"), *proxies), len(proxies))
    roles = [*wds, *mapper, *other]
    _start(open_, network.inside("server", sys.executable, str(RPC_SERVER), *roles), len(roles))
    _start(open_, network.inside("far", sys.executable, str(RPC_SERVER), *wds, *mapper), len(wds) + len(mapper))
    _start(open_, network.inside("far", sys.executable, str(HERE / "peers.py"), *_HEALTHY), len(_HEALTHY))


def _start(open_: ExitStack, command: list[str], lines: int = 1) -> None:
    """Start a program that says so in that many lines, and end it with the laboratory."""
    process = open_.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    open_.callback(process.kill)
    if process.stdout is None or not all(process.stdout.readline() for _ in range(lines)):
        raise RuntimeError(f"{command[-6:]} did not start")
