"""What does one more report cost, and one question after ten million? python -m benchmarks.correlation.incremental."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import psutil
from pe_collector.engine.addresses import Addresses
from pe_collector.engine.explain import Cause, causes
from pe_collector.engine.rollup import AT, BUCKET_S, COUNT, FIRST_ATTRIBUTE, LOW, MACHINE, MARK, OUTCOME, Cells, Rollup
from pe_collector.engine.table import Column, Row, Table

from benchmarks.correlation.faults import Demands, Fault, draw_fault
from benchmarks.correlation.fleet import Fleet, Ints, Reals, boot_attributes, make_fleet, pick_images
from benchmarks.correlation.run import PROFILES, SIGNATURES, Boots, observed_of, outcomes_of

_CHUNK = 100_000
_DAYS = 30.0
_NOISE = 0.015
_KEPT_CHUNKS = 10
_ASKED_AT = (10_000, 100_000, 1_000_000, 10_000_000)
_SINGLE_REPORTS = 20_000
_V4_MARK = 0xFFFF << 32


@dataclass(frozen=True, slots=True)
class Stream:
    """A fleet, its faults, which begin in the last hours, and how many boots it sends in thirty days."""

    fleet: Fleet
    faults: tuple[Fault, ...]
    boots: int
    seed: int

    def chunk(self, number: int) -> tuple[Boots, dict[str, Ints]]:
        """The boots of one stretch of time, as they were and as they are reported."""
        rng = np.random.default_rng([self.seed, number])
        span_s = _DAYS * 86_400.0 * _CHUNK / self.boots
        at_s = number * span_s + np.sort(rng.random(_CHUNK)) * span_s
        columns = _columns(rng, self.fleet)
        signature, cause = outcomes_of(rng, columns, at_s, (_NOISE, list(self.faults)))
        boots = Boots(columns, at_s, signature, cause)
        return boots, observed_of(rng, boots, PROFILES["standard"])


def _columns(rng: np.random.Generator, fleet: Fleet) -> dict[str, Ints]:
    machine = rng.integers(0, fleet.machines, _CHUNK)
    return boot_attributes(rng, fleet, machine, pick_images(rng, fleet, machine)) | {"machine": machine}


def make_stream(seed: int, boots: int, machines: int) -> Stream:
    """Four faults, the first eleven hours before the end, the last two."""
    rng = np.random.default_rng([seed, 40])
    fleet = make_fleet(rng, machines)
    columns = _columns(rng, fleet)
    end_s = _DAYS * 86_400.0
    faults: list[Fault] = []
    for hours in (11, 8, 5, 2):
        fault = draw_fault(rng, fleet, columns, np.zeros(_CHUNK), Demands(200, 0.1, 100, 0.25))
        if fault is not None:
            faults.append(replace(fault, onset_s=end_s - hours * 3600.0))
    return Stream(fleet, tuple(faults), boots, seed)


def _names(observed: dict[str, Ints]) -> list[str]:
    return sorted(set(observed) - {"machine", "address", "subnet"})


def cells_of(boots: Boots, observed: dict[str, Ints]) -> Cells:
    """The boots in the columns of a cell; a value's code is its number."""
    names = _names(observed)
    cells = np.zeros((len(boots.at_s), FIRST_ATTRIBUTE + len(names)), dtype=np.int64)
    cells[:, AT] = boots.at_s // BUCKET_S * BUCKET_S
    cells[:, MACHINE] = observed["machine"]
    cells[:, MARK] = -1
    cells[:, OUTCOME] = boots.signature
    cells[:, COUNT] = 1
    cells[:, LOW] = np.where(observed["address"] >= 0, observed["address"] | _V4_MARK, 0)
    for n, name in enumerate(names, FIRST_ATTRIBUTE):
        cells[:, n] = observed[name]
    return cells


def empty_rollup(observed: dict[str, Ints]) -> Rollup:
    """A rollup that knows all signatures and values beforehand, each by its number."""
    rollup = Rollup(_names(observed))
    for name in SIGNATURES[1:]:
        rollup.signature_of(name)
    for n in range(len(rollup.attributes)):
        for value in range(65_000):
            rollup.code_of(n, f"{value:06d}")
    return rollup


def whole_table(chunks: list[tuple[Boots, dict[str, Ints]]]) -> Table:
    """Every one of these boots as a row."""
    observed = {name: np.concatenate([o[name] for _, o in chunks]) for name in chunks[0][1]}
    at_s: Reals = np.concatenate([b.at_s for b, _ in chunks])
    addresses = [(4, value) if value >= 0 else None for value in observed["address"].tolist()]
    columns = {}
    for name in _names(observed):
        values, codes = np.unique(observed[name], return_inverse=True)
        missing = int(values[0] < 0)
        texts = tuple(f"{value:06d}" for value in values[missing:].tolist())
        columns[name] = Column((codes - missing).astype(np.int32), texts)
    _, machines = np.unique(observed["machine"], return_inverse=True)
    outcomes = np.concatenate([b.signature for b, _ in chunks]).astype(np.int32)
    return Table(at_s, machines.astype(np.int32), outcomes, SIGNATURES, columns, Addresses.of_numbers(addresses))


def _asked(table: Table) -> tuple[float, float, tuple[Cause, ...]]:
    began, wall = time.process_time(), time.perf_counter()
    found = causes(table)
    return time.process_time() - began, time.perf_counter() - wall, found


def _question(rollup: Rollup) -> tuple[float, float, Table, tuple[Cause, ...]]:
    began, wall = time.process_time(), time.perf_counter()
    table = rollup.table()
    found = causes(table)
    return time.process_time() - began, time.perf_counter() - wall, table, found


def _said(found: tuple[Cause, ...]) -> str:
    return "; ".join(", ".join(f"{k} {v}" for k, v in cause.conditions.items()) for cause in found) or "nothing"


def measure(stream: Stream) -> Iterator[str]:
    """Lines of Markdown."""
    _, first = stream.chunk(0)
    rollup = empty_rollup(first)
    process = psutil.Process()
    resident, spent = process.memory_info().rss, 0.0
    kept: list[tuple[Boots, dict[str, Ints]]] = []
    yield "| boots stored | cells kept | CPU us per boot added | question: CPU s | wall s | rows searched |"
    yield "|---|---|---|---|---|---|"
    for number in range(stream.boots // _CHUNK):
        boots, observed = stream.chunk(number)
        cells = cells_of(boots, observed)
        kept = [*kept[1 - _KEPT_CHUNKS :], (boots, observed)]
        for part in np.split(cells, 20):
            began = time.process_time()
            rollup.add_cells(part)
            spent += time.process_time() - began
            if rollup.boots in _ASKED_AT:
                cpu_s, wall_s, table, found = _question(rollup)
                per_boot = spent / rollup.boots * 1e6
                spent_on = f"{per_boot:.2f} | {cpu_s:.2f} | {wall_s:.2f}"
                yield f"| {rollup.boots:,} | {rollup.cells:,} | {spent_on} | {table.size:,} |"
    yield ""
    yield f"named after {rollup.boots:,} boots: {_said(found)}"
    yield f"the faults: {'; '.join(f'{f.kind} {dict(f.target)} rate {f.rate:.2f}' for f in stream.faults)}"
    yield f"memory: {rollup.cells * cells.shape[1] * 8 / 1e6:.0f} MB of cells"
    del kept[:-_KEPT_CHUNKS]
    yield from _from_scratch(kept)
    yield f"one report at a time: {_single(observed, boots):.1f} us CPU per report, names turned into codes included"
    grown = process.memory_info().rss - resident
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield f"process, the simulator and the whole tables included: {grown / 1e6:.0f} MB grown, peak {peak:.0f} MB"


def _from_scratch(kept: list[tuple[Boots, dict[str, Ints]]]) -> Iterator[str]:
    for count in (1, _KEPT_CHUNKS):
        cpu_s, wall_s, found = _asked(whole_table(kept[-count:]))
        yield f"from scratch over the last {count * _CHUNK:,} boots: {cpu_s:.2f} s CPU, {wall_s:.2f} s; {_said(found)}"


def _single(observed: dict[str, Ints], boots: Boots) -> float:
    """CPU microseconds for each report that comes alone."""
    names = _names(observed)
    texts = {name: [f"{v:06d}" if v >= 0 else "" for v in observed[name][:_SINGLE_REPORTS].tolist()] for name in names}
    rows = [
        Row(
            float(boots.at_s[n]),
            f"machine {observed['machine'][n]}",
            SIGNATURES[boots.signature[n]],
            f"10.0.{n >> 8 & 255}.{n & 255}",
            {name: texts[name][n] for name in names},
        )
        for n in range(_SINGLE_REPORTS)
    ]
    rollup = Rollup(names)
    began = time.process_time()
    for row in rows:
        rollup.add(row)
    return (time.process_time() - began) / len(rows) * 1e6


def main() -> None:
    """Print it all, line by line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boots", type=int, default=10_000_000)
    parser.add_argument("--machines", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for line in measure(make_stream(arguments.seed, arguments.boots, arguments.machines)):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
