"""The story this project began with, played from its quiet start to the answer.

Machines of two networks boot over the network and all is well. Then someone adds a firewall rule: TCP 5040 from network
A is dropped. Every machine boots again; the ones in A stop at "an error occurred while communicating with the WDS
server". What does each agent say, and what does the collector say about all of them?
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from subprocess import CompletedProcess
from typing import Any

from .clients import SETUP_LOG
from .daemons import WDS_SERVER
from .topology import COLLECTOR, PARALLEL_BOOTS, Laboratory

BLOCKED_PORT = 5040
CULPRITS = {"prefix": "10.10.1.0/24", "server": WDS_SERVER}
INGEST = f"{COLLECTOR}:7443"
SHOWN_LOG_PATH = f"/{SETUP_LOG.as_posix()}"
_CODE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}\b")

Say = Callable[[str], None]


class StoryError(RuntimeError):
    """The laboratory stands, and a program of this project fails in it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One boot of one client as its agent saw it. `report` is the agent's JSON answer."""

    client: str
    exit_code: int
    report: dict[str, Any]
    setup_log: bytes

    @property
    def verdict(self) -> dict[str, Any]:
        """The agent's verdict."""
        verdict: dict[str, Any] = self.report["verdict"]
        return verdict

    @property
    def code(self) -> str:
        """The receipt's code, empty when the collector gave none."""
        found = _CODE.search(json.dumps(self.report["delivery"]))
        return found.group() if found else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the story led to. `screen` is what a technician sees on one machine of network A."""

    before: tuple[Visit, ...]
    after: tuple[Visit, ...]
    screen: str
    patterns: dict[str, Any]
    patterns_text: str
    blocked_at: datetime

    def mistakes(self) -> tuple[str, ...]:
        """How the collector's answer differs from what was done in the laboratory; empty when it names just that."""
        patterns = self.patterns["patterns"]
        if len(patterns) != 1:
            return (f"{len(patterns)} patterns instead of 1",)
        told = patterns[0]
        failed = sum(visit.exit_code != 0 for visit in self.after)
        truth = {
            "conditions": CULPRITS,
            "target": f"{WDS_SERVER}:{BLOCKED_PORT}",
            "signature": ["wds-rpc-filtered"],
            "failed": failed,
            "boots": failed,
            "failed_elsewhere": 0,
            "boots_elsewhere": len(self.before) + len(self.after) - failed,
        }
        wrong = [f"{name}: {told[name]!r} instead of {value!r}" for name, value in truth.items() if told[name] != value]
        # The collector tells whole seconds.
        since, healthy_until = (datetime.fromisoformat(told[name]) for name in ("onset", "onset_after"))
        if not healthy_until <= self.blocked_at <= since + timedelta(seconds=1):
            wrong.append(f"onset: after {healthy_until}, at {since}; the rule came at {self.blocked_at}")
        sentence = (
            f"{CULPRITS['prefix']} -> {WDS_SERVER}: TCP {BLOCKED_PORT} filtered, {failed} of {failed} boots, 0 of "
        )
        if sentence not in self.patterns_text or len(self.patterns_text.splitlines()) != 1:
            wrong.append(f"sentence: {self.patterns_text!r}")
        return tuple(wrong)


class Collector:
    """A collector in its own place in the laboratory; its data folder ends with the laboratory."""

    def __init__(self, lab: Laboratory) -> None:
        self.folder = lab.folder / "collector"
        self._place = lab.servers["collector"]
        self.must("init")
        command = ("serve", "--data", str(self.folder), "--ingest", INGEST)
        self._place.start("collector", (sys.executable, "-m", "pe_collector", *command))
        self._wait()

    def agent_options(self) -> tuple[str, ...]:
        """What an agent needs to deliver here."""
        ca, token = self.folder / "ca.pem", self.folder / "first.token"
        return ("--collector", INGEST, "--ca", str(ca), "--token-file", str(token))

    def ask(self, *words: str) -> CompletedProcess[bytes]:
        """Run `pe-collector` on this data folder."""
        command = (sys.executable, "-m", "pe_collector", *words, "--data", str(self.folder))
        return subprocess.run(command, capture_output=True, timeout=60, check=False)

    def must(self, *words: str) -> bytes:
        """As `ask`, returning standard output.

        Raises:
            StoryError: the program ended with another exit code than 0.
        """
        done = self.ask(*words)
        if done.returncode:
            raise StoryError(f"pe-collector {' '.join(words)}: exit {done.returncode}: {done.stderr.decode().strip()}")
        return done.stdout

    def _wait(self, within_s: float = 90.0) -> None:
        until_s = time.monotonic() + within_s
        connect = f"exec 3<>/dev/tcp/{INGEST.replace(':', '/')}"
        while self._place.run("bash", "-c", connect).returncode:
            if time.monotonic() > until_s:
                raise StoryError(f"pe-collector serve does not listen on {INGEST} after {within_s:g} s")
            time.sleep(0.1)


@contextmanager
def stage(clients: int, say: Say) -> Iterator[tuple[Laboratory, Collector]]:
    """The laboratory with a collector in it."""
    began_s = time.monotonic()
    with Laboratory(clients) as lab:
        collector = Collector(lab)
        say(
            f"Laboratory up in {time.monotonic() - began_s:.1f} s: router with firewall and DHCP relay, DHCP server, "
            f"WDS stand-in behind a real endpoint mapper, collector, {len(lab.clients)} client machines."
        )
        if not lab.own_clocks:
            say("This kernel has no time namespaces: times since boot are those of this computer.")
        yield lab, collector


def play(lab: Laboratory, collector: Collector, say: Say) -> Outcome:
    """Everybody boots, the rule comes, everybody boots again, the collector is asked."""
    say("Every machine boots over the network and its agent reports.")
    before = visit_all(lab, collector, say)
    say(f"Now the firewall rule: TCP {BLOCKED_PORT} from network A (10.10.1.0/24) is dropped. All boot again.")
    blocked_at = datetime.now(UTC)
    lab.block_tcp("A", BLOCKED_PORT)
    after = visit_all(lab, collector, say)
    patterns = json.loads(collector.must("patterns", "--format", "json"))
    sentences = collector.must("patterns").decode()
    # Once more and last, as a technician would by hand: it adds a report to those the pattern was found in.
    screen = lab.run_agent("a1", ("report", *collector.agent_options(), "--no-color", "--quiet")).stdout
    return Outcome(before, after, screen, patterns, sentences, blocked_at)


def visit_all(lab: Laboratory, collector: Collector, say: Say) -> tuple[Visit, ...]:
    """Boot every client and let its agent report, a few at a time."""

    def visit(name: str) -> Visit:
        boot = lab.boot_client(name)
        done = lab.run_agent(name, ("report", *collector.agent_options(), "--format", "json"))
        if not done.stdout.startswith("{"):
            raise StoryError(f"{name}: pe-agent report: exit {done.returncode}: {done.stderr.strip()}")
        return Visit(name, done.returncode, json.loads(done.stdout), boot.setup_log_path.read_bytes())

    visits = []
    with ThreadPoolExecutor(PARALLEL_BOOTS) as pool:
        for met in pool.map(visit, lab.clients):
            say(f"  {met.client}: exit {met.exit_code:2}, {met.code or 'not stored'}: {met.verdict['title']}")
            visits.append(met)
    return tuple(visits)
