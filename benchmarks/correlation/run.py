"""What does one run of the fleet report? Boots, retries, noise, the faults, and what reports leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pe_collector.engine.addresses import Addresses
from pe_collector.engine.nodes import stages
from pe_collector.engine.table import Column, Table, encode

from benchmarks.correlation.extras import Extras, address_text, left_out, nested, with_ends, with_trouble
from benchmarks.correlation.faults import Demands, Fault, covered, draw_fault
from benchmarks.correlation.fleet import WINDOW_S, Fleet, Ints, Reals, boot_attributes, make_fleet, pick_images

NOISE: Mapping[str, float] = {
    "tftp-timeout": 0.2,
    "stopped-by-user": 0.2,
    "wds-client-no-path": 0.15,
    "disk-missing": 0.15,
    "late-address": 0.1,
    "apipa-only": 0.06,
    "wds-rpc-filtered": 0.04,
    "server-unreachable": 0.03,
    "no-network-driver": 0.03,
    "endpoint-mapper-filtered": 0.02,
    "architecture-mismatch": 0.01,
    "wds-images-unreadable": 0.01,
}
SIGNATURES = ("", *sorted(NOISE))
_NO_ADDRESS = ("apipa-only", "no-network-driver")
_RETRIES = 6


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard a run is: noise from-to, factor on what is missing, share of leases known without an address."""

    noise: tuple[float, float]
    missing: float
    remembered: float
    demands: Demands
    extras: Extras


# Without extras nothing but what the sampling of boots brings troubles the answer.
PLAIN = {
    "standard": Profile((0.005, 0.03), 1.0, 0.6, Demands(8, 0.3, 5, 0.25), Extras()),
    "hard": Profile((0.01, 0.05), 2.0, 0.3, Demands(5, 0.5, 3, 0.5), Extras()),
}
_USUAL = Extras(missing=(0.05, 0.2), chronic=0.003, bursts=1.0, ends=0.15, six=0.15)
PROFILES = {
    "standard": replace(PLAIN["standard"], extras=_USUAL),
    "hard": replace(PLAIN["hard"], extras=replace(_USUAL, chronic=0.005, bursts=5.0, ends=0.25)),
    "nested": replace(PLAIN["standard"], extras=replace(_USUAL, nested=1.0)),
}


@dataclass(frozen=True, slots=True)
class Run:
    """A table as a collector would see it, and what only the scorer may look at."""

    table: Table
    complete: dict[str, Ints]
    faults: tuple[Fault, ...]
    cause: Ints
    six: bool = False


@dataclass(frozen=True, slots=True)
class Boots:
    """Complete columns, and when and how each boot ended; `cause` is the fault behind it, -1 for noise."""

    columns: dict[str, Ints]
    at_s: Reals
    signature: Ints
    cause: Ints


def simulate(seed: int, boots: int, profile: Profile, faults: int | None = None) -> Run:
    """One run. `faults` None: none to four, at random."""
    rng = np.random.default_rng([seed, 7151])
    fleet = make_fleet(rng, max(60, int(boots * 0.55)))
    machine, at_s = _schedule(rng, fleet, int(boots * 0.95))
    columns = boot_attributes(rng, fleet, machine, pick_images(rng, fleet, machine)) | {"machine": machine}
    wanted = int(rng.integers(0, 5)) if faults is None else faults
    chosen = _draw_faults(rng, fleet, columns, at_s, (profile.demands, wanted))
    extras, apart = profile.extras, np.random.default_rng([seed, 40_411])
    chosen = with_ends(apart, chosen, columns, at_s, (extras.ends, profile.demands))
    if apart.random() < extras.nested and faults is None:
        chosen = nested(apart, fleet, columns, at_s, profile.demands) or chosen
    six = bool(apart.random() < extras.six)
    boots_seen = _with_retries(rng, fleet, columns, at_s, (float(rng.uniform(*profile.noise)), chosen))
    outcome = (boots_seen.signature, boots_seen.cause)
    troubled = with_trouble(apart, boots_seen.columns, boots_seen.at_s, outcome, extras)
    all_boots = replace(boots_seen, signature=troubled)
    observed = left_out(apart, observed_of(rng, all_boots, profile), extras)
    return Run(_table(observed, all_boots, six=six), all_boots.columns, tuple(chosen), all_boots.cause, six)


def _schedule(rng: np.random.Generator, fleet: Fleet, boots: int) -> tuple[Ints, Reals]:
    """Two thirds at any time, one third in waves: one site within an hour."""
    usual = rng.integers(0, fleet.machines, boots * 2 // 3)
    machines, times = [usual], [rng.random(len(usual)) * WINDOW_S]
    left = boots - len(usual)
    while left > 0:
        site = fleet.of_machine["site"][rng.integers(fleet.machines)]
        pool = np.flatnonzero(fleet.of_machine["site"] == site)
        wave = rng.choice(pool, size=min(left, len(pool), int(rng.integers(15, max(20, boots // 15)))), replace=False)
        machines.append(wave)
        times.append((rng.random() * 0.9 * WINDOW_S) + rng.random(len(wave)) * 3600.0)
        left -= len(wave)
    return np.concatenate(machines), np.concatenate(times)


def _draw_faults(
    rng: np.random.Generator, fleet: Fleet, columns: dict[str, Ints], at_s: Reals, wanted: tuple[Demands, int]
) -> list[Fault]:
    """Faults that do not cover much the same boots."""
    chosen: list[Fault] = []
    for _ in range(20):
        if len(chosen) >= wanted[1]:
            break
        fault = draw_fault(rng, fleet, columns, at_s, wanted[0])
        if fault is not None and not any(_alike(columns, fault, other) for other in chosen):
            chosen.append(fault)
    return chosen


def _alike(columns: dict[str, Ints], one: Fault, other: Fault) -> bool:
    first, second = covered(columns, one.target), covered(columns, other.target)
    return bool(4 * (first & second).sum() > min(first.sum(), second.sum()))


def _with_retries(
    rng: np.random.Generator, fleet: Fleet, columns: dict[str, Ints], at_s: Reals, trouble: tuple[float, list[Fault]]
) -> Boots:
    """Who fails tries again some minutes later, now and then with another server."""
    parts = []
    for attempt in range(_RETRIES):
        signature, cause = outcomes_of(rng, columns, at_s, trouble)
        parts.append(Boots(columns, at_s, signature, cause))
        again = (signature > 0) & (rng.random(len(at_s)) < 0.6)
        if attempt == _RETRIES - 1 or not again.any():
            break
        fresh = boot_attributes(rng, fleet, columns["machine"][again], columns["image"][again])
        elsewhere = rng.random(int(again.sum())) < 0.3
        columns = {name: values[again] for name, values in columns.items()}
        columns["server"] = np.where(elsewhere, fresh["server"], columns["server"])
        at_s = at_s[again] + 60.0 + rng.exponential(240.0, int(again.sum()))
    return _joined(parts)


def _joined(parts: Sequence[Boots]) -> Boots:
    times = np.concatenate([part.at_s for part in parts])
    order = np.argsort(times, kind="stable")
    order = order[times[order] < WINDOW_S]
    columns = {name: np.concatenate([part.columns[name] for part in parts])[order] for name in parts[0].columns}
    signature = np.concatenate([part.signature for part in parts])[order]
    return Boots(columns, times[order], signature, np.concatenate([part.cause for part in parts])[order])


def outcomes_of(
    rng: np.random.Generator, columns: dict[str, Ints], at_s: Reals, trouble: tuple[float, list[Fault]]
) -> tuple[Ints, Ints]:
    """Signature and cause of each boot (-1 noise); of two the earlier stage shows."""
    noise, faults = trouble
    stage_of = np.array([99] + [stages().of(name) for name in SIGNATURES[1:]])
    habit = np.exp(0.5 * np.sin(12.9898 * columns["site"])) * np.exp(0.5 * np.sin(78.233 * columns["model"]))
    failing = rng.random(len(at_s)) < np.minimum(noise * habit / habit.mean(), 0.2)
    shares = np.array([NOISE[name] for name in SIGNATURES[1:]])
    signature = np.where(failing, rng.choice(len(shares), len(at_s), p=shares) + 1, 0)
    cause = np.full(len(at_s), -1)
    for number, fault in enumerate(faults):
        lasting = (at_s >= fault.onset_s) & (at_s < fault.end_s)
        hit = covered(columns, fault.target) & lasting & (rng.random(len(at_s)) < fault.rate)
        codes = np.array([SIGNATURES.index(name) for name in fault.signatures])
        own = rng.choice(codes, len(at_s), p=np.array(list(fault.signatures.values())))
        wins = hit & (stage_of[own] < stage_of[signature])
        signature, cause = np.where(wins, own, signature), np.where(wins, number, cause)
    return signature, cause


def observed_of(rng: np.random.Generator, boots: Boots, profile: Profile) -> dict[str, Ints]:
    """What reports show: now and then an attribute is missing, and without a lease its whole offer."""
    columns = {name: values.copy() for name, values in boots.columns.items()}
    size, factor = len(boots.at_s), profile.missing
    silent = rng.random(size) < 0.12 * factor
    for name in ("switch", "port", "vlan"):
        columns[name][silent] = -1
    shares = {"site": 0.05, "bios": 0.05, "dhcp_server": 0.02, "gateway": 0.02, "adapter_driver": 0.03, "model": 0.01}
    for name, share in shares.items():
        columns[name][rng.random(size) < share * factor] = -1
    codes = [SIGNATURES.index(name) for name in _NO_ADDRESS]
    lost = np.isin(boots.signature, codes) & (rng.random(size) >= profile.remembered)
    for name in ("address", "gateway", "dhcp_server", "server"):
        columns[name][lost] = -1
    return columns


def _table(observed: dict[str, Ints], boots: Boots, *, six: bool) -> Table:
    names = sorted(set(observed) - {"machine", "address", "subnet"})
    addresses = [address_text(number, six=six) for number in observed["address"].tolist()]
    columns = {}
    for name in names:
        codes, values = encode([f"{value:06d}" if value >= 0 else "" for value in observed[name].tolist()])
        columns[name] = Column(codes, values)
    _, machines = np.unique(observed["machine"], return_inverse=True)
    outcomes = boots.signature.astype(np.int32)
    return Table(boots.at_s, machines.astype(np.int32), outcomes, SIGNATURES, columns, Addresses.of(addresses))


def first_boots(run: Run, count: int) -> Run:
    """The run as it was known when so many boots had been reported."""
    table = run.table
    columns = {name: Column(column.codes[:count], column.values) for name, column in table.columns.items()}
    addresses = table.addresses
    if addresses is not None:
        addresses = replace(addresses, ranks=addresses.ranks[:count])
    early = Table(
        table.at_s[:count], table.machines[:count], table.outcomes[:count], table.signatures, columns, addresses
    )
    complete = {name: values[:count] for name, values in run.complete.items()}
    return replace(run, table=early, complete=complete, cause=run.cause[:count])
