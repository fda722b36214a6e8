"""Compares ways to name causes: python -m benchmarks.correlation [--seeds FIRST COUNT] [--boots N...]."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pe_collector.engine.greedy import Settings
from pe_collector.engine.units import retries

from benchmarks.correlation.own import engine
from benchmarks.correlation.run import PROFILES, Run, first_boots, simulate
from benchmarks.correlation.scoring import Answer, Tally, overlap, score

Method = Callable[[Run], list[Answer]]


@dataclass(slots=True)
class Result:
    """What one method reached on one profile and size."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    with_alternatives: list[bool] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def measure(method: Method, seeds: Sequence[int], boots: int, profile: str) -> Result:
    """Run a method on these seeds."""
    result = Result()
    for seed in seeds:
        run = simulate(seed, boots, PROFILES[profile])
        began = time.process_time()
        answers = method(run)
        result.cpu_s.append(time.process_time() - began)
        exact = score(run, answers, result.tallies)
        widened = [Answer(t, a.signatures) for a in answers for t in a.alternatives]
        held = [any(v >= 1.0 - 1e-9 for v in row) for row in overlap(run, widened)]
        named = [any(v >= 0.5 for v in row) for row in overlap(run, answers)]
        result.with_alternatives += [e or (h and n) for e, h, n in zip(exact, held, named, strict=True)]
    return result


def _sizes(arguments: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    """Profile, boots and how many seeds of it."""
    for boots in arguments.boots:
        for profile in arguments.profiles:
            yield profile, boots, arguments.seeds[1]


def _methods(others: int) -> Mapping[str, tuple[Method, int]]:
    """Each with the most boots it is asked about; the others only where they are asked for: they need packages."""
    if not others:
        return {"pe-collector": (engine, 1_000_000)}
    from benchmarks.correlation.methods import METHODS  # noqa: PLC0415 - of the group bench

    return METHODS


def compare(arguments: argparse.Namespace) -> Iterator[str]:
    """The table of all methods; the others get fewer seeds, for they are slow."""
    yield "| method | profile | boots | runs | exact F1 | lenient F1 | or among alternatives | CPU s mean | max |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for profile, boots, count in _sizes(arguments):
        for name, (method, most) in _methods(arguments.others).items():
            if boots > most:
                continue
            runs = count if method is engine else min(count, arguments.others)
            seeds = range(arguments.seeds[0], arguments.seeds[0] + runs)
            result = measure(method, seeds, boots, profile)
            yield _row(name, profile, boots, result)
            if method is engine:
                yield from _by_kind(result)


def _row(name: str, profile: str, boots: int, result: Result) -> str:
    exact, lenient = result.tallies["exact"].f1, result.tallies["lenient"].f1
    held = statistics.fmean(result.with_alternatives or [1.0])
    cpu = f"{statistics.fmean(result.cpu_s):.2f} | {max(result.cpu_s):.2f}"
    return (
        f"| {name} | {profile} | {boots:,} | {len(result.cpu_s)} | {exact:.3f} | {lenient:.3f} | {held:.3f} | {cpu} |"
    )


def _by_kind(result: Result) -> Iterator[str]:
    kinds = result.tallies["exact"].of_kind
    lenient = result.tallies["lenient"].of_kind
    words = (f"{kind} {hit}/{lenient[kind][0]}/{count}" for kind, (hit, count) in sorted(kinds.items()))
    yield f"| - exact/lenient/all: {', '.join(words)} | | | | | | | | |"
    errors = sorted(result.tallies["lenient"].onset_errors_s)
    if errors:
        median, most = (errors[len(errors) * share // 100] / 60.0 for share in (50, 90))
        yield f"| - onset: error {median:.1f} min (median), {most:.1f} (90 %), {len(errors)} faults | | | | | | | | |"
    yield f"| - CPU s: median {statistics.median(result.cpu_s):.2f} | | | | | | | | |"


def quiet(first: int, hours: int) -> str:
    """False explanations on fleets without a fault: eight hours a run, asked at each full hour."""
    false, asked = 0, 0
    for seed in range(first, first + hours // 8):
        run = simulate(seed, 4_000, PROFILES["standard"], faults=0)
        for hour in range(1, 9):
            asked += 1
            false += len(engine(first_boots(run, int((run.table.at_s < hour * 3600.0).sum()))))
    return f"quiet fleets: {false} false explanations in {hours} hours, {asked} questions"


def delay(first: int, count: int) -> str:
    """Failed boots of a fault until an answer covers half of its boots, asked after each of them."""
    waits, with_retries, unnamed = [], [], 0
    for seed in range(first, first + count):
        run = simulate(seed, 2_000, PROFILES["standard"], faults=1)
        again = retries(run.table, Settings().retry_s)
        places = [n for n, cause in enumerate(run.cause) if cause == 0] if run.faults else []
        if not places:
            continue
        found = next((n for n, place in enumerate(places, 1) if n > 3 and _is_named(run, place + 1)), None)
        unnamed += found is None
        with_retries.append(found or len(places))
        waits.append(sum(not again[place] for place in places[: found or len(places)]))
    words = (f"median {_at(waits, 50)}, 90 % within {_at(waits, 90)}" for waits in (waits, with_retries))
    plain, all_of_them = words
    return f"failed boots until named ({len(waits)} faults, {unnamed} never): {plain}; counting retries: {all_of_them}"


def _at(values: Sequence[int], share: int) -> int:
    return sorted(values)[len(values) * share // 100]


def _is_named(run: Run, boots: int) -> bool:
    early = first_boots(run, boots)
    return any(value >= 0.5 for row in overlap(run, engine(early)) for value in row)


def main() -> None:
    """Print it all, line by line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs=2, type=int, default=(1, 60), metavar=("FIRST", "COUNT"))
    parser.add_argument("--others", type=int, default=10, help="runs for each of the other methods")
    parser.add_argument("--quiet-hours", type=int, default=504)
    parser.add_argument("--delays", type=int, default=24, help="faults that are waited for")
    parser.add_argument("--boots", nargs="*", type=int, default=(1_000, 10_000, 100_000), help="sizes of a run")
    parser.add_argument("--profiles", nargs="*", default=tuple(PROFILES), choices=tuple(PROFILES))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for line in compare(arguments):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    if arguments.quiet_hours:
        sys.stdout.write("\n" + quiet(arguments.seeds[0], arguments.quiet_hours) + "\n")
    if arguments.delays:
        sys.stdout.write("\n" + delay(arguments.seeds[0], arguments.delays) + "\n")


if __name__ == "__main__":
    main()
