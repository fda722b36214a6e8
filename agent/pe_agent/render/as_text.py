"""What does the technician read? Plain ASCII for a console of 80 columns or more, colours only when asked for."""

from __future__ import annotations

from collections.abc import Iterator

from pe_agent.model import Evidence, Finding, Observation, Outcome, Owner, Report, Status, Verdict
from pe_agent.render.qr import qr_lines
from pe_agent.render.timeline import timeline_bars
from pe_agent.words import clean, describe, describe_event

_RED, _AMBER, _GREEN, _PLAIN = "\x1b[31;1m", "\x1b[33;1m", "\x1b[32;1m", "\x1b[0m"
_COLORS = {Status.FAULT: _RED, Status.WARNING: _AMBER, Status.HEALTHY: _GREEN, Status.UNKNOWN: _AMBER}
_WORDS = {Status.FAULT: "FAULT", Status.WARNING: "WARNING", Status.HEALTHY: "HEALTHY", Status.UNKNOWN: "NOT KNOWN"}
_WHO = {
    Owner.NETWORK: "whoever runs the network",
    Owner.DHCP: "whoever runs DHCP",
    Owner.WDS_SERVER: "whoever runs the WDS server",
    Owner.IMAGE: "whoever builds the boot image",
    Owner.MACHINE: "whoever stands at this machine",
    Owner.UNKNOWN: "not known",
}
_OUTCOMES = {
    Outcome.OK: "ok",
    Outcome.WARNING: "warn",
    Outcome.FAILED: "FAIL",
    Outcome.SKIPPED: "skip",
    Outcome.CRASHED: "CRASH",
}
_MOST_EVIDENCE = 5


def render_text(report: Report, delivery: str, *, color: bool = False) -> str:
    """Verdict, probes, timeline, what stands behind the findings, receipt."""
    return "\n".join(_lines(report, delivery, color=color))


def observation_line(observation: Observation) -> str:
    """A probe's answer in one line: how it ended, how long it took, about what, why."""
    what = " ".join(filter(None, (observation.probe, observation.target)))
    line = f"{_OUTCOMES[observation.outcome]:<5} {observation.elapsed_s:7.2f} s  {what}: {describe(observation)}"
    return clean(line)


def undelivered_lines(code: str, encoding: str) -> Iterator[str]:
    """What a phone can carry away: the verdict and its reasons as a picture (with an encoding) and as letters."""
    yield "The verdict and its reasons, for `pe-collector decode`:"
    yield from qr_lines(code, encoding) if encoding else ()
    yield from (code[at : at + 70] for at in range(0, len(code), 70))


def finding_lines(finding: Finding) -> Iterator[str]:
    """A finding with the first pieces of its evidence."""
    yield clean(f"{finding.title} [{finding.id}, {finding.confidence:.0%}]")
    yield clean(f"  who: {_WHO[finding.owner]}")
    yield clean(f"  do:  {finding.advice}")
    for evidence in finding.evidence[:_MOST_EVIDENCE]:
        yield clean(f"  {_evidence(evidence)}")
    if len(finding.evidence) > _MOST_EVIDENCE:
        yield f"  ... and {len(finding.evidence) - _MOST_EVIDENCE} more"


def _lines(report: Report, delivery: str, *, color: bool) -> Iterator[str]:
    yield _verdict_line(report.verdict, color=color)
    if report.observations:
        yield from ("", "Probes:")
        yield from (f"  {observation_line(o)}" for o in report.observations)
    if report.timeline:
        yield from ("", "Since the machine started:")
        yield from (clean(f"  {e.at_s:8.1f} s  {e.adapter} {describe_event(e)}") for e in report.timeline)
        yield from (f"  {line}" for line in timeline_bars(report.timeline))
    if report.findings:
        yield from ("", "Findings:")
        yield from (f"  {line}" for finding in report.findings for line in finding_lines(finding))
    if report.verdict and report.verdict.ruled_out:
        yield from ("", "Ruled out:")
        once = {r.title: r.because for r in reversed(report.verdict.ruled_out)}
        yield from (clean(f"  {title}: no, {because}") for title, because in reversed(once.items()))
    if delivery:
        yield from ("", clean(delivery))


def _verdict_line(verdict: Verdict | None, *, color: bool) -> str:
    status = verdict.status if verdict else Status.UNKNOWN
    return _colored(_verdict_words(verdict), status, color=color)


def _verdict_words(verdict: Verdict | None) -> str:
    if verdict is None:
        return "NOT KNOWN: this report was cut off before its verdict."
    words = f"{_WORDS[verdict.status]}: {verdict.title}."
    if not verdict.finding_id:
        return clean(words)
    return clean(f"{words} Who must act: {_WHO[verdict.owner]}. What to do: {verdict.advice}")


def _colored(text: str, status: Status, *, color: bool) -> str:
    return f"{_COLORS[status]}{text}{_PLAIN}" if color else text


def _evidence(evidence: Evidence) -> str:
    if evidence.file:
        return f"{evidence.file}:{evidence.line}: {evidence.text}"
    return f"{evidence.probe} {evidence.target}: {evidence.text}"
