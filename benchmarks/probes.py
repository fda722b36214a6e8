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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks import rivals
from benchmarks.probes_page import Healthy, Score, Trial, page
from benchmarks.rivals import Answer
from tests.lab.cases.network import Network, NotPossible, laboratory
from tests.lab.cases.table import CASES, FAMILIES, UDP_CASES, Case, address_of

ROOT = Path(__file__).parents[1]
ACCEPT = CASES[0]
_HEALTHY_RUNS = 5
_EXACT = "exact"
_OURS = {"pe-agent wds-rpc": "wds-rpc", "pe-agent pxe": "pxe"}

Judge = Callable[[Network, Sequence[Case], int], dict[str, Answer]]
Right = Callable[[Answer, Case], bool]
TCP = Trial("TCP 5040", CASES, FAMILIES, lambda case: case.reasons)
UDP = Trial("UDP 4011, IPv4", UDP_CASES, (4,), lambda case: case.udp_reasons)


def agent(probe: str, trial: Trial) -> Judge:
    """A probe of the agent; right is the exact reason, with the ICMP type and code of the row."""

    def judge(network: Network, cases: Sequence[Case], family: int) -> dict[str, Answer]:
        found = network.ask(cases[0].client, [address_of(case, family) for case in cases], probe)
        answers = {}
        for case, row in zip(cases, found, strict=True):
            said = (row["facts"].get("icmp_type"), row["facts"].get("icmp_code"))
            icmp_fits = case.icmp is None or said == case.icmp[FAMILIES.index(family)]
            right = icmp_fits and row["reason"] in trial.wanted(case)
            answers[case.name] = Answer(row["reason"], (_EXACT,) if right else (), row["elapsed_s"])
        return answers

    return judge


def is_exact(answer: Answer, _: Case) -> bool:
    """What `agent` has found out already."""
    return _EXACT in answer.classes


def nmap(scan: str) -> Judge:
    """How nmap judges, with one kind of scan."""
    return lambda network, cases, family: rivals.nmap(network, scan, cases, family)


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


def fastest(alone: Callable[[], tuple[float, float]]) -> Healthy:
    """The best of several runs on the healthy path; `alone` returns seconds to the first answer and in all."""
    runs = []
    for _ in range(_HEALTHY_RUNS):
        started_s = time.monotonic()
        first_s, own_s = alone()
        runs.append((first_s, own_s, time.monotonic() - started_s))
    return Healthy(*(min(seconds) for seconds in zip(*runs, strict=True)))


def agent_alone(network: Network, probe: str) -> tuple[float, float]:
    """The healthy path alone: handshake (on UDP the answer), and the whole observation."""
    row = network.ask("client", [address_of(ACCEPT, 4)], probe)[0]
    return float(row["facts"]["rtt_s"]), float(row["elapsed_s"])


def agent_again(network: Network, probe: str) -> float:
    """Seconds to the first answer in a process that has asked before, as a resident exporter has; the best run."""
    address = address_of(ACCEPT, 4)
    rows = [network.ask("client", [address, "--again"], probe)[0] for _ in range(_HEALTHY_RUNS)]
    return min(float(row["facts"]["rtt_s"]) for row in rows)


def nmap_alone(network: Network, scan: str) -> tuple[float, float]:
    """The healthy path alone; nmap tells one time only."""
    seconds = rivals.nmap_seconds(network, scan, ACCEPT)
    return seconds, seconds


def blackbox_alone(network: Network) -> tuple[float, float]:
    """The healthy path alone: a handshake is all of it."""
    seconds = rivals.blackbox(network, [ACCEPT], 4)[ACCEPT.name].seconds or 0.0
    return seconds, seconds


def scores(network: Network) -> list[Score]:
    """Everything, one tool after the other."""
    plan: list[tuple[Trial, str, Judge, Right, Callable[[], tuple[float, float]]]] = [
        (TCP, "pe-agent wds-rpc", agent("wds-rpc", TCP), is_exact, lambda: agent_alone(network, "wds-rpc")),
        (TCP, "nmap -sT", nmap("-sT"), Answer.right_on_tcp, lambda: nmap_alone(network, "-sT")),
        (TCP, "nmap -sS", nmap("-sS"), Answer.right_on_tcp, lambda: nmap_alone(network, "-sS")),
        (TCP, "blackbox_exporter tcp", rivals.blackbox, Answer.right_on_tcp, lambda: blackbox_alone(network)),
        (UDP, "pe-agent pxe", agent("pxe", UDP), is_exact, lambda: agent_alone(network, "pxe")),
        (UDP, "nmap -sU", nmap("-sU"), Answer.right_on_udp, lambda: nmap_alone(network, "-sU")),
    ]
    found = []
    for trial, name, judge, is_right, alone in plan:
        answers, took_s = measure(network, trial, judge)
        healthy = fastest(alone)
        if name in _OURS:
            healthy = replace(healthy, again_s=agent_again(network, _OURS[name]))
        found.append(Score(trial, name, answers, took_s, healthy, is_right))
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
