"""How long does the whole battery take: healthy machine, one port blocked, everything blocked?

    sudo python -m benchmarks.battery [--runs N]

Builds the laboratory (real daemons in network namespaces), boots one client and runs `pe-agent probe` there. `program`
is the time from its start to its end; `battery` is that less the time of loading the program and every probe without
asking anything. Exits 1 when a battery is over its limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.conditions import why_not
from tests.lab.daemons import WDS_SERVER
from tests.lab.topology import COLLECTOR, PREFIXES, Laboratory

_CLIENT = "a1"
_LOAD = "import pe_agent.cli; from pe_agent.probes import PROBES; [probe.run.load() for probe in PROBES]"
_ALL_OF_WDS = "insert rule ip lab forward ip saddr {prefix} ip daddr {to} drop\n"
_ALL_SERVERS = "10.10.9.0/24"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is wrong with the network, how long the battery may take then, and who makes it so."""

    name: str
    limit_s: float
    prepare: Callable[[Laboratory], None]
    server: str = WDS_SERVER


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: the whole program, of it the probes, and the probes that took longest with their times."""

    scene: Scene
    program_s: float
    battery_s: float
    slowest: tuple[tuple[str, str, float], ...]

    def row(self) -> str:
        """A row of the markdown table."""
        slowest = ", ".join(f"{probe} {reason} {seconds:.2f}" for probe, reason, seconds in self.slowest)
        kept = "yes" if self.kept else "NO"
        took = f"{self.program_s:.2f} | {self.battery_s:.2f}"
        return f"| {self.scene.name} | {took} | {self.scene.limit_s:g} | {kept} | {slowest} |"

    @property
    def kept(self) -> bool:
        """Whether the limit was kept."""
        return self.battery_s < self.scene.limit_s


def healthy(_: Laboratory) -> None:
    """Nothing is wrong."""


def block_wds(lab: Laboratory) -> None:
    """The router drops the WDS port."""
    lab.block_tcp("A", 5040)


def block_all(lab: Laboratory) -> None:
    """The router drops whatever goes from the client's network to the servers' one."""
    lab.router.must("nft", "-f", "-", stdin=_ALL_OF_WDS.format(prefix=PREFIXES["A"], to=_ALL_SERVERS))


def name_the_server(lab: Laboratory) -> None:
    """The machine has a DNS server, which is among those that nothing reaches."""
    resolver = lab.clients[_CLIENT].root / "etc" / "resolv.conf"
    resolver.parent.mkdir(exist_ok=True)
    resolver.write_text(f"nameserver {COLLECTOR}\n", encoding="ascii")
    lab.boots[_CLIENT].place.must("mount", "--bind", str(resolver), "/etc/resolv.conf")


SCENES = (
    Scene("healthy", 1.0, healthy),
    Scene("TCP 5040 dropped", 6.0, block_wds),
    Scene("everything to the servers dropped", 15.0, block_all),
    Scene("the same, server by name", 15.0, name_the_server, "wds01.lab.test"),
)


def timed(lab: Laboratory, *words: str) -> tuple[float, str]:
    """Seconds that `pe-agent` takes on the client, and what it prints.

    Raises:
        RuntimeError: it printed nothing.
    """
    started_s = time.monotonic()
    done = lab.run_agent(_CLIENT, words)
    took_s = time.monotonic() - started_s
    if not done.stdout:
        raise RuntimeError(f"pe-agent: exit {done.returncode}: {done.stderr}")
    return took_s, done.stdout


def loading(lab: Laboratory) -> float:
    """Seconds until the program and every probe are loaded."""
    started_s = time.monotonic()
    lab.boots[_CLIENT].place.must(sys.executable, "-c", _LOAD)
    return time.monotonic() - started_s


def measure(lab: Laboratory, scene: Scene) -> Measured:
    """Run the battery once.

    Raises:
        RuntimeError: the agent did not answer.
    """
    start_s = loading(lab)
    program_s, answer = timed(lab, "probe", "--server", scene.server, "--format", "json")
    rows = json.loads(answer)["observations"]
    rows.sort(key=lambda row: -row["elapsed_s"])
    return Measured(
        scene,
        program_s,
        program_s - start_s,
        tuple((row["probe"], row["reason"], row["elapsed_s"]) for row in rows[:3]),
    )


def say(line: str) -> None:
    """A line of the answer, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Print a table; 0 when every run kept its limit."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.battery", description=__doc__)
    options.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each scene [3]")
    runs = options.parse_args().runs
    reason = why_not()
    if reason:
        sys.stderr.write(f"The laboratory cannot be built: {reason}.\n")
        return 1
    measured: list[Measured] = []
    say("| network | program, s | battery, s | limit, s | kept | slowest probes (s) |\n|---|---|---|---|---|---|")
    with Laboratory(clients=1, icmp_limits=True) as lab:
        lab.boot_client(_CLIENT)
        for scene in SCENES:
            scene.prepare(lab)
            for _ in range(runs):
                measured.append(measure(lab, scene))
                say(measured[-1].row())
    return 0 if all(m.kept for m in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
