"""The page docs/benchmarks-scale.md, made from what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from pe_collector.store.postgres.engine import PATIENCE_S

from benchmarks.scale.run import MOST_WITH_OBSERVATIONS, Size
from benchmarks.scale.ways import ASKED, DUCKDB, LOOKED_AT, POSTGRESQL, SQLITE, Asking, Time

ENGINES = (SQLITE, POSTGRESQL, DUCKDB)
SCREEN_S, MOST_S = 0.1, 2.0
AIMED_AT = 10_000_000
_HEAD = f"""# How long do questions take, and how does that grow?

Printed by `python -m benchmarks.scale`; figures of one machine and hour belong together. The fleet is always the same:
2,000 subnets at 200 sites, 50,000 machines, 30 days, 3 % faults, and ten sites that cannot reach a port of their server
for the last six hours; up to {MOST_WITH_OBSERVATIONS:,} reports with 12 observations each, above that with none,
for want of room on the disk. It is made once for all engines, as Parquet in the layout of `export --parquet`,
and loaded in bulk. Times are milliseconds of the question alone on a connection of its own: `cold` with nothing of its
files in memory (PostgreSQL: but for what the server keeps), `warm` the best of five more (of one from two seconds on,
of none from fifteen on): the machine is shared, and others can only make it longer. An answer has at most 1,000 rows;
`=` says that the hash of its values is the same in all engines. Questions marked `(cells)` read what was counted of
hours that are over; on Parquet they count the reports. What PostgreSQL does not answer in {PATIENCE_S} s is given up.
Patterns are as a look at the newest {LOOKED_AT:,} boots stored them.
"""


_AIMS = f"""The aims are for {AIMED_AT:,} reports; a row that names fewer says that so many were not measured on that
engine. In ms, warm. Questions of the screen have their aim on SQLite, the others on the engine that is quickest. On
SQLite, which works on one processor, the aim is held against the processor's time: so long it takes where one is free.
By the clock it took longer here, for others used the machine (its load stands above).
"""


def page(results: Sequence[tuple[Size, str]]) -> str:
    """The whole text, from what was measured and on which machine."""
    sizes = [size for size, _ in results]
    machines = [f"- {size.reports:,} reports: {machine}{_missing(size)}" for size, machine in results]
    parts = [_HEAD, "\n".join(machines) + "\n", "## Targets\n", _targets(sizes), "## Growth\n", _growth(sizes)]
    for size in sizes:
        parts += [f"## {size.reports:,} reports\n", _questions(size)]
    return "\n".join(parts)


def _missing(size: Size) -> str:
    missing = [engine for engine in ENGINES if engine not in size.engines]
    return f"; not measured: {', '.join(missing)}" if missing else ""


def _questions(size: Size) -> str:
    head = " | ".join(f"{name} cold | warm" for name in ENGINES)
    lines = [f"| question | rows | {head} | |", "|---|--:|" + "--:|" * 2 * len(ENGINES) + "---|"]
    for asked in ASKED:
        found = [size.times.get((asked.name, engine)) for engine in ENGINES]
        there = [each for each in found if each and each.sha256]
        if not there:
            continue
        times = " | ".join(f"{_ms(f.cold_s)} | {_ms(f.warm_s)}" if f else " | " for f in found)
        alike = "" if len(there) < 2 else "=" if len({each.sha256 for each in there}) == 1 else "**differs**"
        lines.append(f"| {asked.name} | {there[0].rows} | {times} | {alike} |")
    return "\n".join(lines) + "\n"


def _ms(seconds: float) -> str:
    if math.isinf(seconds):
        return f"> {PATIENCE_S},000"
    return f"{seconds * 1000:,.0f}" if seconds >= 0.0095 else f"{seconds * 1000:.1f}"


def _growth(sizes: Sequence[Size]) -> str:
    lines = [f"| | {' | '.join(f'{size.reports:,}' for size in sizes)} |", "|---|" + "--:|" * len(sizes)]

    def add(what: str, value: Callable[[Size], str]) -> None:
        lines.append(f"| {what} | {' | '.join(value(size) for size in sizes)} |")

    for engine in ENGINES:
        add(f"{engine}, MB", lambda size, e=engine: f"{size.octets[e] / 1e6:,.0f}" if e in size.octets else "")  # type: ignore[misc]
    for engine in (SQLITE, POSTGRESQL):
        add(f"ingest on top, {engine}, reports a second", lambda size, e=engine: _taken(size, e, "per_s", ".0f"))
        add("the same, processor ms a report", lambda size, e=engine: _taken(size, e, "cpu_ms", ".2f"))
    for what in dict.fromkeys(name for size in sizes for name in size.seconds):
        add(f"{what}, s", lambda size, w=what: f"{size.seconds[w]:,.1f}" if w in size.seconds else "")  # type: ignore[misc]
    for asked in ASKED:
        if asked.screen:
            add(f"{asked.name}, {SQLITE}, warm ms", lambda size, a=asked: _warm(size, a))  # type: ignore[misc]
    return "\n".join(lines) + "\n"


def _taken(size: Size, engine: str, what: str, form: str) -> str:
    return format(getattr(size.taken[engine], what), form) if engine in size.taken else ""


def _warm(size: Size, asked: Asking) -> str:
    found = size.times.get((asked.name, SQLITE))
    return _ms(found.warm_s) if found else ""


def _targets(sizes: Sequence[Size]) -> str:
    lines = [_AIMS, "| what | reports | engine | clock | processor | target | |", "|---|--:|---|--:|--:|--:|---|"]
    for asked in ASKED:
        engines = (SQLITE,) if asked.screen else ENGINES
        for size in reversed(sizes):
            found = {e: size.times[asked.name, e] for e in engines if (asked.name, e) in size.times}
            if found:
                there = " there" if size.reports < AIMED_AT else ""
                others = " there, others were not measured" if len(size.engines) < len(ENGINES) else there
                lines.append(f"| {asked.name} | {size.reports:,} | {_target(asked, found, (there, others))} |")
                break
    return "\n".join(lines) + "\n"


def _target(asked: Asking, found: Mapping[str, Time], where: tuple[str, str]) -> str:
    engine = min(found, key=lambda name: _judged_s(name, found[name]))
    cpu = "" if engine == POSTGRESQL else _ms(found[engine].cpu_s)
    target_s = SCREEN_S if asked.screen else MOST_S
    word = f"reached{where[0]}" if _judged_s(engine, found[engine]) < target_s else f"**missed**{where[1]}"
    return f"{engine} | {_ms(found[engine].warm_s)} | {cpu} | < {target_s * 1000:,.0f} | {word}"


def _judged_s(engine: str, found: Time) -> float:
    return found.cpu_s if engine == SQLITE else found.warm_s
