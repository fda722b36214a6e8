"""How do the scores of the tools become the page in docs/?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.rivals import Answer
from tests.lab.cases.table import Case

_HEAD = """# Path states: pe-agent, nmap and blackbox_exporter

Made by `python -m benchmarks.probes` in network namespaces on Linux: one router, every row of
`tests/lab/cases/table.py`, all tools on the same rows in one run.

When an answer is right:

- **pe-agent**: only with the exact reason and the row's ICMP type and code.
- **nmap** (7.93, default timing, `-Pn -n`; no `-sV`, which does not know WDS) **and blackbox_exporter** (0.23, tcp
  module, 5 s): when it leads a reader to the right one of: works, refused, vanished, stopped on the way, this machine
  cannot send. Any ICMP word of nmap counts as "stopped", a host it calls down too, `open|filtered` counts as
  "vanished", and any dialling error of the exporter that is no refusal and no timeout counts as "stopped". What breaks
  after the handshake neither can say. The mapping is the top of `benchmarks/rivals.py`.
- **30 % loss** is chance: that the path works is right, and for pe-agent also `uncertain` (on UDP `silent`).

Seconds are of one machine and one run: compare them with each other only. The columns on a healthy path are the best
of five runs. "First answer" is the handshake (on UDP the answer), for pe-agent from making the socket on: of a process
that was just started, and in brackets of one that has asked before, as the exporter has; "in all" is what the tool says
it took, for pe-agent connect, bind, a call of 3,000 octets and its answer, for nmap and blackbox_exporter the handshake
again. "Program" is from starting the process to its end.
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """Rows that are asked together; `wanted` are the right reasons of a row."""

    name: str
    cases: Sequence[Case]
    families: tuple[int, ...]
    wanted: Callable[[Case], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Healthy:
    """Seconds for one healthy path: to the first answer, all that the tool does, and the whole program.

    `again_s` is to the first answer when the process has asked before; None where that is `first_s` already.
    """

    first_s: float
    own_s: float
    program_s: float
    again_s: float | None = None

    @property
    def first(self) -> str:
        """Seconds to the first answer."""
        again = "" if self.again_s is None else f" (asked again: {self.again_s:.4f})"
        return f"{self.first_s:.4f}{again}"


@dataclass(frozen=True, slots=True)
class Score:
    """A tool's answers by family and row, and the wall seconds of each family's run."""

    trial: Trial
    tool: str
    answers: Mapping[int, Mapping[str, Answer]]
    took_s: Mapping[int, float]
    healthy: Healthy
    judged: Callable[[Answer, Case], bool]

    def is_right(self, case: Case, family: int) -> bool:
        """Whether this row was judged right."""
        return self.judged(self.answers[family][case.name], case)

    def summary(self) -> str:
        """A row of the first table."""
        asked = len(self.trial.cases) * len(self.trial.families)
        took = " + ".join(f"{seconds:.1f}" for seconds in self.took_s.values())
        program = "(resident)" if "exporter" in self.tool else f"{self.healthy.program_s:.2f}"
        healthy = f"{self.healthy.first} | {self.healthy.own_s:.4f} | {program}"
        return f"| {self.tool} | {self.trial.name} | {self.right} of {asked} | {took} | {healthy} |"

    @property
    def right(self) -> int:
        """How many answers are right, over all families."""
        return sum(self.is_right(case, family) for case in self.trial.cases for family in self.trial.families)

    @property
    def is_ours(self) -> bool:
        """Whether this is the agent."""
        return self.tool.startswith("pe-agent")

    def cell(self, case: Case) -> str:
        """What the tool said, wrong answers marked; both families where they differ."""
        said = {family: self._said(case, family) for family in self.trial.families}
        if len(set(said.values())) == 1:
            return said[self.trial.families[0]]
        return "; ".join(f"v{family} {text}" for family, text in said.items())

    def _said(self, case: Case, family: int) -> str:
        answer = self.answers[family][case.name]
        seconds = f", {answer.seconds:.1f} s" if answer.seconds is not None else ""
        mark = "" if self.is_right(case, family) else "**wrong:** "
        return mark + answer.says.replace("|", "\\|") + seconds


def page(scores: Sequence[Score]) -> str:
    """The whole page."""
    lines = [
        _HEAD,
        "| tool | rows | right | all rows (IPv4 + IPv6), s | healthy: first answer, s | in all, s | program, s |",
        "|---|---|---|---|---|---|---|",
        *(score.summary() for score in scores),
    ]
    lines += ["", "## Goals", "", "| goal | measured | met |", "|---|---|---|", *_goals(scores)]
    for trial in dict.fromkeys(score.trial.name for score in scores):
        lines += _details([score for score in scores if score.trial.name == trial])
    return "\n".join(lines) + "\n"


def _goals(scores: Sequence[Score]) -> Iterator[str]:
    """A row for each goal, whether met or not. Equal work is compared: the first answer, which all tools give."""
    for ours in (score for score in scores if score.is_ours):
        rivals = [score for score in scores if score.trial.name == ours.trial.name and not score.is_ours]
        asked = len(ours.trial.cases) * len(ours.trial.families)
        yield _goal(f"{ours.tool}: every row right", f"{ours.right} of {asked}", met=ours.right == asked)
        best = max(rivals, key=lambda score: score.right)
        measured = f"{ours.right} and {best.right} ({best.tool})"
        yield _goal(f"{ours.tool}: more rows right than any other", measured, met=ours.right > best.right)
        quickest = min(rivals, key=lambda score: score.healthy.first_s)
        # An exporter has been asked before; a program that was just started is compared with one.
        resident = "exporter" in quickest.tool and ours.healthy.again_s is not None
        own_s = ours.healthy.again_s if resident and ours.healthy.again_s is not None else ours.healthy.first_s
        measured = f"{own_s:.4f} s and {quickest.healthy.first_s:.4f} s ({quickest.tool})"
        goal = f"{ours.tool}: first answer of a healthy path not later than the quickest"
        yield _goal(goal, measured, met=own_s <= quickest.healthy.first_s)


def _goal(goal: str, measured: str, *, met: bool) -> str:
    return f"| {goal} | {measured} | {'met' if met else '**missed**'} |"


def _details(scores: Sequence[Score]) -> list[str]:
    trial = scores[0].trial
    lines = ["", f"## {trial.name}", "", "| path | right | " + " | ".join(s.tool for s in scores) + " |"]
    lines.append("|---|---|" + "---|" * len(scores))
    for case in trial.cases:
        wanted = trial.wanted(case)
        right = wanted[0] if len(wanted) == 1 else "(chance)"
        lines.append(f"| {case.name} | {right} | " + " | ".join(score.cell(case) for score in scores) + " |")
    return lines
