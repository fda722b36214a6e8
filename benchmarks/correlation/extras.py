"""What troubles a fleet beside its faults? Machines that always fail, bursts, faults that end or lie in one another."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.correlation.faults import Demands, Fault, Target, covered, is_clear, subnet_of
from benchmarks.correlation.fleet import WINDOW_S, Fleet, Ints, Reals

# An IPv4 address of the simulator stands in these bits of an IPv6 one.
_SIX = 0xFD10 << 112
_SIX_SHIFT = 80
_SIX_BITS = 16
_ALWAYS = 0.7
_BURST_S = 600.0


@dataclass(frozen=True, slots=True)
class Extras:
    """Drawn apart from all else, so that a run without them stays the same.

    Attributes:
        missing: share of reports that leave out an attribute, drawn from-to for each attribute; addresses too.
        chronic: share of machines that fail most of their boots in a way of their own.
        bursts: in 10,000 boots so many times two or three machines of a subnet fail together for no reason.
        ends: share of faults that end before the run does.
        six: share of runs whose addresses are IPv6.
        nested: share of runs with a site that fails now and then and a subnet inside it that fails always.
    """

    missing: tuple[float, float] = (0.0, 0.0)
    chronic: float = 0.0
    bursts: float = 0.0
    ends: float = 0.0
    six: float = 0.0
    nested: float = 0.0


def with_ends(
    rng: np.random.Generator,
    faults: Sequence[Fault],
    columns: Mapping[str, Ints],
    at_s: Reals,
    wanted: tuple[float, Demands],
) -> list[Fault]:
    """Some of the faults end before the run does, where what is left still meets the demands."""
    share, demands = wanted
    ended = []
    for fault in faults:
        end_s = fault.onset_s + float(rng.uniform(0.3, 0.8)) * (WINDOW_S - fault.onset_s)
        lasting = (at_s >= fault.onset_s) & (at_s < end_s)
        ends = rng.random() < share and is_clear(columns, fault.target, lasting, fault.rate, demands)
        ended.append(replace(fault, end_s=end_s) if ends else fault)
    return ended


def nested(
    rng: np.random.Generator, fleet: Fleet, columns: Mapping[str, Ints], at_s: Reals, demands: Demands
) -> list[Fault]:
    """A site that fails now and then, and a subnet inside it that fails always; empty where none is large enough."""
    for _ in range(100):
        place = int(rng.integers(len(at_s)))
        boot = {name: int(values[place]) for name, values in columns.items()}
        outer: Target = {"site": boot["site"]}
        inner = subnet_of(fleet, boot)
        onset_s = float(rng.uniform(0.0, 0.6) * WINDOW_S)
        rate = float(rng.uniform(0.3, 0.45))
        inside, around = covered(columns, inner).sum(), covered(columns, outer).sum()
        clear = is_clear(columns, inner, at_s >= onset_s, 0.97, demands) and is_clear(
            columns, outer, at_s >= 0.0, rate, demands
        )
        if clear and around > 2 * inside:
            same = {"wds-rpc-filtered": 0.9, "wds-client-no-path": 0.1}
            other = [same, {"tftp-timeout": 1.0}, {"apipa-only": 0.95, "late-address": 0.05}]
            own = other[int(rng.integers(len(other)))]
            return [Fault("site around", outer, same, rate, 0.0), Fault("subnet inside", inner, own, 0.97, onset_s)]
    return []


def with_trouble(
    rng: np.random.Generator, columns: Mapping[str, Ints], at_s: Reals, outcome: tuple[Ints, Ints], extras: Extras
) -> Ints:
    """The signature of each boot with those of chronic machines and of bursts; `outcome` has the causes too.

    The signatures drawn are those that noise has, all alike.
    """
    signature, cause = outcome[0].copy(), outcome[1]
    kinds = int(signature.max(initial=1))
    machines = int(columns["machine"].max(initial=0)) + 1
    chronic = rng.random(machines) < extras.chronic
    own = rng.integers(1, kinds + 1, machines)
    fails = chronic[columns["machine"]] & (cause < 0) & (rng.random(len(at_s)) < _ALWAYS)
    signature[fails] = own[columns["machine"][fails]]
    for _ in range(int(rng.poisson(extras.bursts * len(at_s) / 10_000))):
        place = int(rng.integers(len(at_s)))
        near = np.flatnonzero(
            (columns["subnet"] == columns["subnet"][place]) & (np.abs(at_s - at_s[place]) < _BURST_S) & (signature == 0)
        )
        _, first = np.unique(columns["machine"][near], return_index=True)
        signature[near[first][: int(rng.integers(2, 4))]] = int(rng.integers(1, kinds + 1))
    return signature


def left_out(rng: np.random.Generator, observed: dict[str, Ints], extras: Extras) -> dict[str, Ints]:
    """What reports show when each attribute is missing in a share of its own."""
    columns = dict(observed)
    if extras.missing[1] > 0.0:
        for name in sorted(set(columns) - {"machine", "subnet"}):
            share = float(rng.uniform(*extras.missing))
            columns[name] = np.where(rng.random(len(columns[name])) < share, -1, columns[name])
    return columns


def address_text(number: int, *, six: bool) -> str:
    """The simulator's number as a report shows it; empty when it is missing."""
    if number < 0:
        return ""
    return str(ipaddress.IPv6Address(_SIX | number << _SIX_SHIFT) if six else ipaddress.IPv4Address(number))


def own_prefix(version: int, network: int, length: int) -> tuple[int, int]:
    """A prefix of a report's address in the simulator's own numbers."""
    if version == 4:
        return network, length
    return network >> _SIX_SHIFT & 0xFFFFFFFF, min(32, max(0, length - _SIX_BITS))
