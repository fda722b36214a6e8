"""The page docs/benchmarks-ingest.md, made from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.ingest.ways import Result

_HEAD = """# How many reports a second does the collector take?

Printed by `python -m benchmarks.ingest`; figures of one run belong together, those of another machine or hour do not.
A report is a hello, 12 observations, a setupact.log of 200 KB (11 KB compressed) and a verdict. All with TLS (P-256),
synchronous=FULL, agents and servers on one machine; the agents are a C++ program, for PostgreSQL a Python one.
Every acknowledged id was looked up. `stream`: a stream a report on a connection each agent keeps. `fresh`: a TLS
connection a report. `forward`: many reports on one stream, two senders. The collector checks, redacts and relates what
it stores; the C++ server and the naive ways only store. The naive way is what one would write first with sqlite-utils.
"""
_NAMES = "way,mode,agents,reports,a second,median ms,99 % ms,last ms,server CPU ms,wire KB,disk KB,lost"
_COLUMNS = f"| {' | '.join(_NAMES.split(','))} |"


def page(results: Sequence[Result], idle: float, machine: str) -> str:
    """The whole text."""
    rows = [_COLUMNS, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", *map(_row, results)]
    shares = next((r.split for r in results if r.split), [])
    split = [f"| {share:.0f} % | `{name}` |" for share, name in shares if share >= 1]
    parts = [_HEAD, f"Machine: {machine}.\n", "\n".join(rows) + "\n", "## Targets\n", _targets(results, idle)]
    if split:
        parts += ["## Where the collector's processor time goes (100 agents)\n", "| share | library |\n|--:|---|"]
        parts[-1] += "\n" + "\n".join(split) + "\n"
    return "\n".join(parts)


def _row(result: Result) -> str:
    job, load = result.job, result.load
    times = " | ".join(f"{load[name]:.0f}" for name in ("p50_ms", "p99_ms", "last_ms"))
    costs = f"{result.cpu_ms:.2f} | {result.wire / 1000:.1f} | {result.disk / 1000:.1f} | {result.lost}"
    count = int(load["reports"])
    return f"| {job.way} | {job.mode} | {job.agents} | {count} | {result.per_s:.0f} | {times} | {costs} |"


def _targets(results: Sequence[Result], idle: float) -> str:
    of = {(r.job.way, r.job.mode, r.job.agents): r for r in results}
    ours, forward, fresh = (of["collector", *key] for key in (("stream", 100), ("forward", 2), ("fresh", 100)))
    row, report = (of[f"naive, a transaction a {unit}", "stream", 100] for unit in ("row", "report"))
    json = of["JSON, PostgreSQL", "stream", 100]
    burst = of["collector", "fresh", 1000].load["last_ms"] / 1000
    checks: tuple[tuple[str, float, str, Callable[[float], bool]], ...] = (
        ("streams of agents, times the naive way (row)", ours.per_s / row.per_s, ">= 10", lambda x: x >= 10),
        ("the same, times the naive way (report)", ours.per_s / report.per_s, "", lambda _: True),
        ("the same, times JSON to PostgreSQL", ours.per_s / json.per_s, "", lambda _: True),
        ("the same, times C++", ours.per_s / of["C++", "stream", 100].per_s, ">= 0.7", lambda x: x >= 0.7),
        ("forwarding, times the naive way (row)", forward.per_s / row.per_s, ">= 20", lambda x: x >= 20),
        ("fresh connections, times C++", fresh.per_s / of["C++", "fresh", 100].per_s, ">= 0.95", lambda x: x >= 0.95),
        ("1,000 agents at once, seconds to the last receipt", burst, "< 8", lambda x: x < 8),
        ("an idle TLS stream, KiB", idle / 1024, "< 100", lambda x: x < 100),
    )
    lines = ["| what | measured | target | |", "|---|--:|--:|---|"]
    for what, value, target, reached in checks:
        word = "" if not target else "reached" if reached(value) else "**missed**"
        lines.append(f"| {what} | {value:.2f} | {target} | {word} |")
    return "\n".join(lines) + "\n"
