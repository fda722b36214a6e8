"""Which faults does a run have? Ten kinds, each on a target that could be told from its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

from benchmarks.correlation.fleet import WINDOW_S, Fleet, Ints

Flags = npt.NDArray[np.bool_]
# A value, or for `prefix` the network and its length.
Target = Mapping[str, int | tuple[int, int]]
_Draw = Callable[[np.random.Generator, Fleet, Mapping[str, int]], dict[str, int | tuple[int, int]]]

_RPC = {"wds-rpc-filtered": 0.9, "wds-client-no-path": 0.1}
_LATE = {"late-address": 0.7, "apipa-only": 0.3}
_PAIRS = (
    *(("model", "image"), ("bios", "image"), ("site", "server"), ("site", "image"), ("server", "image")),
    *(("switch", "server"), ("model", "site"), ("adapter_hardware", "server"), ("firmware", "server")),
)
_PAIR_SIGNATURES = ("wds-client-no-path", "tftp-timeout", "apipa-only", "wds-images-unreadable", "wds-rpc-filtered")


@dataclass(frozen=True, slots=True)
class Fault:
    """A known cause. `signatures` holds the share of each; times are seconds into the run."""

    kind: str
    target: Target
    signatures: Mapping[str, float]
    rate: float
    onset_s: float
    end_s: float = inf


def covered(columns: Mapping[str, Ints], target: Target) -> Flags:
    """Rows that meet the target; a row that lacks an attribute (-1) does not."""
    size = len(next(iter(columns.values())))
    meets = np.ones(size, dtype=np.bool_)
    for name, value in target.items():
        if isinstance(value, tuple):
            shift = 32 - value[1]
            meets &= (columns["address"] >= 0) & (columns["address"] >> shift == value[0] >> shift)
        else:
            meets &= columns[name] == value
    return meets


def _cut(address: int, length: int) -> tuple[int, int]:
    return address >> (32 - length) << (32 - length), length


def subnet_of(fleet: Fleet, boot: Mapping[str, int]) -> dict[str, int | tuple[int, int]]:
    """The subnet of a boot as a target."""
    return {"prefix": _cut(boot["address"], int(fleet.subnet_length[boot["subnet"]]))}


def _subnet(_: np.random.Generator, fleet: Fleet, boot: Mapping[str, int]) -> dict[str, int | tuple[int, int]]:
    return subnet_of(fleet, boot)


def _firewall(rng: np.random.Generator, fleet: Fleet, boot: Mapping[str, int]) -> dict[str, int | tuple[int, int]]:
    own, building = int(fleet.subnet_length[boot["subnet"]]), int(fleet.building_length[boot["subnet"]])
    length = int(rng.choice([own, building, rng.integers(building - 2, own + 1)]))
    return {"prefix": _cut(boot["address"], length), "server": boot["server"]}


def _between(rng: np.random.Generator, _: Fleet, boot: Mapping[str, int]) -> dict[str, int | tuple[int, int]]:
    return {"prefix": _cut(boot["address"], int(rng.choice([22, 23, 23, 25])))}


def _enumeration(rng: np.random.Generator, _: Fleet, boot: Mapping[str, int]) -> dict[str, int | tuple[int, int]]:
    return {name: boot[name] for name in (("server", "image") if rng.random() < 0.4 else ("server",))}


def _pair(rng: np.random.Generator, _: Fleet, boot: Mapping[str, int]) -> dict[str, int | tuple[int, int]]:
    return {name: boot[name] for name in _PAIRS[int(rng.integers(len(_PAIRS)))]}


def _of(*names: str) -> _Draw:
    return lambda _rng, _fleet, boot: {name: boot[name] for name in names}


# Kind -> how to draw a target from a boot, and the shares of its signatures; none: one drawn from a list.
KINDS: Mapping[str, tuple[_Draw, Mapping[str, float]]] = {
    "firewall": (_firewall, _RPC),
    "relay": (_subnet, {"apipa-only": 0.95, "late-address": 0.05}),
    "spanning-tree": (_of("switch"), _LATE),
    "server-down": (
        _of("server"),
        {"server-unreachable": 0.55, "wds-rpc-filtered": 0.3, "endpoint-mapper-filtered": 0.15},
    ),
    "driver": (_of("adapter_hardware", "image"), {"no-network-driver": 1.0}),
    "architecture": (_of("image", "firmware"), {"architecture-mismatch": 1.0}),
    "enumeration": (_enumeration, {"wds-images-unreadable": 1.0}),
    "pair": (_pair, {}),
    "prefix": (_between, {}),
    "uplink": (_of("site"), {"wds-rpc-filtered": 0.4, "tftp-timeout": 0.35, "server-unreachable": 0.25}),
}


@dataclass(frozen=True, slots=True)
class Demands:
    """What a target needs: failures expected, share of the fleet at most, and how many boots set it apart."""

    failures: int
    most_share: float
    apart: int
    intermittent: float


def draw_fault(
    rng: np.random.Generator, fleet: Fleet, columns: Mapping[str, Ints], at_s: npt.NDArray[np.float64], demands: Demands
) -> Fault | None:
    """One fault on a target drawn from a random boot; None when no target was found that meets the demands."""
    kind = str(rng.choice(list(KINDS)))
    draw, signatures = KINDS[kind]
    shares = signatures or {str(rng.choice(_PAIR_SIGNATURES)): 1.0}
    for _ in range(100):
        place = int(rng.integers(len(at_s)))
        target = draw(rng, fleet, {name: int(values[place]) for name, values in columns.items()})
        onset_s = 0.0 if rng.random() < 0.3 else float(rng.uniform(0.1, 0.85) * WINDOW_S)
        steady = rng.random() >= demands.intermittent
        rate = float(rng.uniform(0.9, 1.0) if steady else rng.uniform(0.3, 0.6))
        if is_clear(columns, target, at_s >= onset_s, rate, demands):
            return Fault(kind, target, shares, rate, onset_s)
    return None


def is_clear(columns: Mapping[str, Ints], target: Target, active: Flags, rate: float, demands: Demands) -> bool:
    """Whether enough boots fail, of enough machines, and enough others set the target apart from its neighbours."""
    inside = covered(columns, target) & active
    count = int(inside.sum())
    machines = len(np.unique(columns["machine"][inside]))
    if count * rate < demands.failures or count > demands.most_share * active.sum() or machines < 4:
        return False
    needed = max(demands.apart, 0.15 * count)
    return all(covered(columns, wider)[active].sum() - count >= needed for wider in _wider(columns, target))


def _wider(columns: Mapping[str, Ints], target: Target) -> list[Target]:
    """The target without each of its items, and with the next shorter prefix that holds more boots."""
    wider: list[Target] = [{k: v for k, v in target.items() if k != name} for name in target if len(target) > 1]
    prefix = target.get("prefix")
    if isinstance(prefix, tuple):
        shorter = ({**target, "prefix": _cut(prefix[0], length)} for length in range(prefix[1] - 1, 7, -1))
        wider += [next((t for t in shorter if covered(columns, t).sum() > covered(columns, target).sum()), {})]
    return [t for t in wider if t]
