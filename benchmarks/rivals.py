"""What do nmap and blackbox_exporter say about the rows of the port-state table, and is it right?

Both are given the benefit of the doubt. An answer counts as right when it leads a reader to the right one of these:
the path works / the server refuses / packets vanish / somebody on the way rejects or cannot deliver / this machine
cannot send. That is less than the agent is asked for, which must also tell rejected from unreachable and name the
ICMP type, code and sender. What happens after the handshake neither can say: there "open" or "success" is wrong.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.cases.network import Network
from tests.lab.cases.table import Case, address_of

HERE = Path(__file__).parent
PROGRAMS = ("nmap", "prometheus-blackbox-exporter")
WORKS, REFUSED, VANISHED, STOPPED, LOCAL, BROKEN = "works", "refused", "vanished", "stopped", "local", "broken"
_CLASS_OF = {
    "answered": WORKS,
    "uncertain": BROKEN,
    "refused": REFUSED,
    "filtered": VANISHED,
    "rejected": STOPPED,
    "unreachable": STOPPED,
    "no-route": LOCAL,
    "no-address": LOCAL,
}
# On UDP a server that does not care and a packet that is lost look the same to everyone.
_UDP_CLASS_OF = _CLASS_OF | {"silent": VANISHED}
# nmap's words (portreasons.cc): a state and the reason for it.
_NMAP_SAYS = {"open": WORKS, "closed": REFUSED}
_NMAP_UNSENT = ("unreachable", "route", "Invalid argument", "Cannot assign")
# What Go's dialer says, in the order it is looked for; the exporter passes it on in its debug log.
_DIAL_SAYS = (
    ("connection refused", (REFUSED,)),
    ("i/o timeout", (VANISHED,)),
    ("context deadline exceeded", (VANISHED,)),
    ("network is unreachable", (LOCAL, STOPPED)),
    ("cannot assign requested address", (LOCAL,)),
    ("dial tcp", (STOPPED,)),
    ("read udp", (STOPPED,)),
    ("write udp", (STOPPED,)),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool said, the classes that its words can be read as, and its time where it tells one."""

    says: str
    classes: tuple[str, ...]
    seconds: float | None = None

    def right_on_tcp(self, case: Case) -> bool:
        """Whether a reader would be led to one of the right classes."""
        return any(_CLASS_OF.get(reason, BROKEN) in self.classes for reason in case.reasons)

    def right_on_udp(self, case: Case) -> bool:
        """The same for the row's meaning on UDP."""
        return any(_UDP_CLASS_OF[reason] in self.classes for reason in case.udp_reasons)


def nmap(network: Network, scan: Sequence[str], cases: Sequence[Case], family: int) -> dict[str, Answer]:
    """One run of nmap, `scan` as `-sU -p 69`, over the rows of one client.

    Raises:
        RuntimeError: nmap itself failed.
    """
    names = {address_of(case, family): case.name for case in cases}
    six = ["-6"] if family == 6 else []
    command = ["nmap", *six, *scan, "-Pn", "-n", "--reason", "-oX", "-", *names]
    done = network.run_both(cases[0].client, *command)
    # A host that nmap leaves out is one that it says is down, or one that it could not send to.
    answers = {name: Answer("host down", (STOPPED, *_unsent(done.stderr))) for name in names.values()}
    for host in ET.fromstring(done.stdout).iter("host"):  # noqa: S314 - our own child's output
        address, state = host.find("address"), host.find("ports/port/state")
        if address is None or state is None:
            continue
        word, why = state.get("state", ""), state.get("reason", "")
        answers[names[address.get("addr", "")]] = Answer(f"{word} ({why})", _nmap_classes(word, why, done.stderr))
    return answers


def nmap_seconds(network: Network, scan: Sequence[str], case: Case) -> float:
    """What nmap itself says it took for one row, IPv4."""
    command = ("nmap", *scan, "-Pn", "-n", "-oX", "-", address_of(case, 4))
    finished = ET.fromstring(network.run(case.client, *command)).find("runstats/finished")  # noqa: S314 - as above
    return float(finished.get("elapsed", "nan")) if finished is not None else float("nan")


def blackbox(network: Network, module: Sequence[str], cases: Sequence[Case], family: int) -> dict[str, Answer]:
    """A module of the exporter, as `tcp 445`, over the rows of one client, all at the same time, five seconds each."""
    addresses = [address_of(case, family) for case in cases]
    rows = json.loads(network.run(cases[0].client, *blackbox_here(module), *addresses))
    return {case.name: _dialled(row) for case, row in zip(cases, rows, strict=True)}


def blackbox_here(module: Sequence[str]) -> list[str]:
    """The command that starts the exporter and asks it."""
    return [sys.executable, str(HERE / "blackbox_here.py"), *module]


def _nmap_classes(state: str, why: str, stderr: str) -> tuple[str, ...]:
    if state in _NMAP_SAYS:
        return (_NMAP_SAYS[state],)
    if why == "no-response":
        return (VANISHED, *_unsent(stderr))
    return (STOPPED, LOCAL)


def _unsent(stderr: str) -> tuple[str, ...]:
    return (LOCAL,) if any(mark in stderr for mark in _NMAP_UNSENT) else ()


def _dialled(row: dict[str, object]) -> Answer:
    seconds, error = float(str(row["seconds"])), str(row["error"])
    if row["success"]:
        return Answer("success", (WORKS,), seconds)
    for mark, classes in _DIAL_SAYS:
        if mark in error:
            return Answer(error.rpartition(": ")[2] or error, classes, seconds)
    return Answer(error or "failure", (), seconds)
