"""Every state of a path, judged by pe-agent, nmap and blackbox_exporter in one run: who is right, and how fast?

    python -m benchmarks.probes [--out docs/benchmarks-probes.md]

Needs nmap and prometheus-blackbox-exporter, which nothing else here needs. No root. The laboratory is the one of the
tests (tests/lab/cases); `rivals.py` says when an answer counts as right.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import healthy, rivals
from benchmarks.healthy import Row, Runner, Seconds
from benchmarks.probes_page import Score, Trial, page
from benchmarks.rivals import Answer
from tests.lab.cases.network import HERE, Network, NotPossible, laboratory
from tests.lab.cases.table import CASES, DNS, FAMILIES, PORTS, WDS_PORT, Case, Port, address_of

ROOT = Path(__file__).parents[1]
ACCEPT = CASES[0]
_EXACT = "exact"
_WDS = Port("wds-rpc", WDS_PORT, CASES)

Judge = Callable[[Network, Sequence[Case], int], dict[str, Answer]]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool on the rows of one port."""

    name: str
    judge: Judge
    is_right: Callable[[Answer, Case], bool]
    runner: Runner


def trial_of(port: Port) -> Trial:
    """The rows of a port; those of WDS RPC by IPv4 and IPv6."""
    families = FAMILIES if port is _WDS else (4,)
    name = port.name if port is _WDS else f"{port.name}, IPv4"
    return Trial(name, port.cases, families, port.reasons)


def tools(port: Port) -> Iterator[Tool]:
    """Those that can ask a port at all; the exporter has modules for TCP and DNS."""
    yield Tool(f"pe-agent {port.probe}", agent(port), is_exact, _agent_runner(port))
    udp = port.name.startswith("UDP")
    right = Answer.right_on_udp if udp else Answer.right_on_tcp
    for kind in ["-sU"] if udp else ["-sT", "-sS"]:
        scan = (kind, "-p", str(port.number))
        yield Tool(f"nmap {kind}", _nmap(scan), right, Runner(_nmap_once(scan)))
    if port is DNS or not udp:
        module = ("dns" if udp else "tcp", str(port.number))
        yield Tool(f"blackbox_exporter {module[0]}", _blackbox(module), right, _blackbox_runner(module))


def agent(port: Port) -> Judge:
    """A probe of the agent; right is the exact reason, with the ICMP type and code of the row."""

    def judge(network: Network, cases: Sequence[Case], family: int) -> dict[str, Answer]:
        found = network.ask(cases[0].client, [address_of(case, family) for case in cases], port.probe)
        answers = {}
        for case, row in zip(cases, found, strict=True):
            said = (row["facts"].get("icmp_type"), row["facts"].get("icmp_code"))
            icmp_fits = case.icmp is None or said == case.icmp[FAMILIES.index(family)]
            right = icmp_fits and row["reason"] in port.reasons(case)
            answers[case.name] = Answer(row["reason"], (_EXACT,) if right else (), row["elapsed_s"])
        return answers

    return judge


def is_exact(answer: Answer, _: Case) -> bool:
    """What `agent` has found out already."""
    return _EXACT in answer.classes


def measure(network: Network, trial: Trial, judge: Judge) -> tuple[dict[int, dict[str, Answer]], dict[int, float]]:
    """Answers and wall seconds by family; the clients at the same time, as each runs a program of its own."""
    clients = list(dict.fromkeys(case.client for case in trial.cases))
    rows = [[case for case in trial.cases if case.client == client] for client in clients]
    answers: dict[int, dict[str, Answer]] = {}
    took_s: dict[int, float] = {}
    for family in trial.families:
        started_s = time.monotonic()
        with ThreadPoolExecutor(len(clients)) as pool:
            found = list(pool.map(judge, [network] * len(rows), rows, [family] * len(rows)))
        took_s[family] = time.monotonic() - started_s
        answers[family] = {name: answer for part in found for name, answer in part.items()}
    return answers, took_s


def _first_of_agent(row: Row) -> float:
    return float(row["facts"]["rtt_s"])


def _agent_runner(port: Port) -> Runner:
    def once(network: Network) -> Seconds:
        row = network.ask(healthy.CLIENT, [healthy.ADDRESS], port.probe)[0]
        return _first_of_agent(row), float(row["elapsed_s"])

    return Runner(once, (sys.executable, str(HERE / "ask.py"), port.probe), _first_of_agent)


def _nmap(scan: Sequence[str]) -> Judge:
    return lambda network, cases, family: rivals.nmap(network, scan, cases, family)


def _nmap_once(scan: Sequence[str]) -> Callable[[Network], Seconds]:
    """Nmap tells one time only."""
    return lambda network: (rivals.nmap_seconds(network, scan, ACCEPT),) * 2


def _blackbox(module: Sequence[str]) -> Judge:
    return lambda network, cases, family: rivals.blackbox(network, module, cases, family)


def _blackbox_runner(module: Sequence[str]) -> Runner:
    """A handshake, or one answer of DNS, is all of it."""

    def once(network: Network) -> Seconds:
        return (rivals.blackbox(network, module, [ACCEPT], 4)[ACCEPT.name].seconds or 0.0,) * 2

    return Runner(once, rivals.blackbox_here(module), lambda row: float(row["seconds"]))


def scores(network: Network) -> list[Score]:
    """Every port, one tool after the other; the healthy path in turns."""
    found = []
    for port in (_WDS, *PORTS):
        trial, able = trial_of(port), list(tools(port))
        measured = [measure(network, trial, tool.judge) for tool in able]
        seconds = healthy.measure(network, [tool.runner for tool in able])
        for tool, (answers, took_s), fast in zip(able, measured, seconds, strict=True):
            found.append(Score(trial, tool.name, answers, took_s, fast, tool.is_right))
    return found


def main() -> int:
    """Measure, print, write; 1 when something needed is missing."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.probes", description=__doc__)
    options.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-probes.md")
    out = options.parse_args().out
    missing = [name for name in rivals.PROGRAMS if not shutil.which(name)]
    if missing:
        sys.stderr.write(f"not installed: {', '.join(missing)}\n")
        return 1
    try:
        with laboratory() as network:
            text = page(scores(network))
    except NotPossible as exc:
        sys.stderr.write(f"the laboratory cannot be built: {exc}\n")
        return 1
    sys.stdout.write(text)
    out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
