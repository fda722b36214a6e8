"""How soon does each tool have the first answer of a healthy path? They take turns, so that all have the same load."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.lab.cases.network import Network
from tests.lab.cases.table import CASES, address_of

CLIENT = "client"
ADDRESS = address_of(CASES[0], 4)
STARTED_ROUNDS, RESIDENT_ROUNDS = 20, 50
_WARM_UP = 3

Row = Mapping[str, Any]
# Seconds to the first answer, and seconds that the tool says it took in all.
Seconds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Healthy:
    """Medians in seconds for one healthy path: to the first answer, all that the tool does, and the whole program.

    `again_s` is to the first answer of a program that has asked before; None for a tool that ends each time.
    """

    first_s: float
    own_s: float
    program_s: float
    again_s: float | None


@dataclass(frozen=True, slots=True)
class Runner:
    """How one tool asks the healthy path: once, in a program that was just started, and as a resident program.

    `resident` is the command that reads an address a line and prints a row a line, of which `read` is the first answer.
    """

    once: Callable[[Network], Seconds]
    resident: Sequence[str] = ()
    read: Callable[[Row], float] = lambda _: 0.0


def measure(network: Network, runners: Sequence[Runner]) -> list[Healthy]:
    """One result for each, in the order given; they take turns."""
    started: list[list[tuple[float, float, float]]] = [[] for _ in runners]
    for _ in range(STARTED_ROUNDS):
        for runner, rows in zip(runners, started, strict=True):
            began_s = time.monotonic()
            first_s, own_s = runner.once(network)
            rows.append((first_s, own_s, time.monotonic() - began_s))
    again = _resident(network, runners)
    return [
        Healthy(*(median(seconds) for seconds in zip(*rows, strict=True)), again_s)
        for rows, again_s in zip(started, again, strict=True)
    ]


def _resident(network: Network, runners: Sequence[Runner]) -> list[float | None]:
    with ExitStack() as stack:
        asks = [stack.enter_context(_running(network, runner)) if runner.resident else None for runner in runners]
        rounds = [[ask() if ask else None for ask in asks] for _ in range(_WARM_UP + RESIDENT_ROUNDS)][_WARM_UP:]
    told = [[seconds for seconds in column if seconds is not None] for column in zip(*rounds, strict=True)]
    return [median(seconds) if seconds else None for seconds in told]


@contextmanager
def _running(network: Network, runner: Runner) -> Iterator[Callable[[], float]]:
    command = network.inside(CLIENT, *runner.resident)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask() -> float:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("a resident program without pipes")
            process.stdin.write(ADDRESS + "\n")
            process.stdin.flush()
            return runner.read(json.loads(process.stdout.readline())[0])

        try:
            yield ask
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(timeout=30)
