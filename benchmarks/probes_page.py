"""How do the scores of the tools become the page in docs/?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.healthy import Healthy
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
- **30 % loss** is chance: that the path works is right, and for pe-agent also `uncertain` (on UDP `silent` too, for DNS
  `filtered`).

On UDP nobody can tell a server that does not care from packets that vanish, so there "vanished" is right for both. The
exporter has no module for DHCP, TFTP and PXE. DHCP is asked server by server, as each answers to the one UDP port 67:
the seconds of all its rows are those of one after the other.

Seconds are of one machine and one run: compare them with each other only. The columns on a healthy path are medians, of
20 programs that were just started and of 50 questions to programs that had asked before; the tools take turns in every
round. "First answer" is the handshake (on UDP the answer, for TFTP the first block, after the agreement on its size),
for pe-agent from making the socket on, for the exporter what it says the probe took; nmap ends each time and tells
hundredths of a second. "In all" is what the tool says it took, for pe-agent on TCP 5040 connect, bind, a call of 3,000
octets and its answer, for nmap and blackbox_exporter the first answer again. "Program" is from starting the process to
its end.
Between resident tools a tenth of a millisecond is noise: which of them comes first changes from run to run.
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """Rows that are asked together; `wanted` are the right reasons of a row."""

    name: str
    cases: Sequence[Case]
    families: tuple[int, ...]
    wanted: Callable[[Case], tuple[str, ...]]


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
        again = "-" if self.healthy.again_s is None else _ms(self.healthy.again_s)
        program = "(resident)" if "exporter" in self.tool else f"{self.healthy.program_s:.2f} s"
        healthy = f"{_ms(self.healthy.first_s)} | {again} | {_ms(self.healthy.own_s)} | {program}"
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
        "| tool | rows | right | all rows (IPv4 + IPv6), s | healthy: first answer | asked again | in all | program |",
        "|---|---|---|---|---|---|---|---|",
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
        yield _quickest(ours, rivals)


def _quickest(ours: Score, rivals: Sequence[Score]) -> str:
    """A resident program is compared with one that has asked before, one that was just started with such a one."""
    quickest = min(rivals, key=lambda score: score.healthy.again_s or score.healthy.first_s)
    own, its = ours.healthy, quickest.healthy
    own_s, its_s = own.first_s, its.first_s
    if own.again_s is not None and its.again_s is not None:
        own_s, its_s = own.again_s, its.again_s
    measured = f"{_ms(own_s)} and {_ms(its_s)} ({quickest.tool})"
    goal = f"{ours.tool}: first answer of a healthy path not later than the quickest"
    return _goal(goal, measured, met=own_s <= its_s)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3f} ms"


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
