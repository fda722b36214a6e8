"""How do boots become rows of the engine's table? One signature a boot, one machine a machine.

Several searches look at the same boots, each at those that say something about its signatures. What stays the same
in all of them, values as codes and addresses as numbers, is worked out once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pe_collector.boots import Boot
from pe_collector.engine.addresses import Addresses
from pe_collector.engine.table import MISSING, Codes, Column, Flags, Places, Table, encode, taken

# Known only when something failed, so that every boot that has it failed: no condition.
_CONSEQUENCES = frozenset({"last_hop"})
# Attribute -> another one that says the same, but for where one of its values goes with several of these.
_SAME_UNLESS_SEVERAL = {"gateway": "subnet", "image_build": "image"}
# An attribute that healthy boots report less than half as often as failed ones is one of these too.
_AS_OFTEN = 0.5
# From one address so many machines may fail without a single healthy boot before they count as one machine.
_FROM_ONE_SOURCE = 3


@dataclass(frozen=True)
class Seen:
    """Boots that are searched, in order of time, and what all searches share of them."""

    boots: tuple[Boot, ...]

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Each attribute that a boot has, by name, a code for each boot."""
        names = sorted({name for boot in self.boots for name in boot.attributes})
        return {name: Column(*encode([boot.attributes.get(name, "") for boot in self.boots])) for name in names}

    @cached_property
    def addresses(self) -> Addresses | None:
        """The address of each boot, and the subnets that machines report."""
        subnets = sorted({boot.subnet for boot in self.boots} - {""})
        return Addresses.of([boot.address for boot in self.boots], subnets)


@dataclass(frozen=True, slots=True)
class Ground:
    """A table and the boots that its rows stand for, in the same order."""

    table: Table
    boots: tuple[Boot, ...]
    signatures: tuple[str, ...]


def ground_of(seen: Seen, signature_of: Callable[[Boot], str | None]) -> Ground:
    """The table of those boots that say something.

    `signature_of` gives the signature of a failed boot, '' for one that is well in this respect and None for one
    that says nothing about it.
    """
    told = [
        (row, boot, signature) for row, boot in enumerate(seen.boots) if (signature := signature_of(boot)) is not None
    ]
    labels = machine_labels([boot for _, boot, _ in told], {boot.report_id for _, boot, mark in told if mark})
    machines, machine_names = encode([labels.get(boot.report_id, boot.machine_id) for _, boot, _ in told])
    outcomes, signatures = encode([signature for *_, signature in told])
    at_s = np.array([boot.at_s for _, boot, _ in told], dtype=np.float64)
    order = np.lexsort((outcomes, machines, at_s))
    rows = np.array([row for row, *_ in told], dtype=np.int64)[order]
    failed = outcomes[order] != MISSING
    table = Table(
        at_s=at_s[order],
        machines=machines[order],
        outcomes=(outcomes[order] + 1).astype(np.int32),
        signatures=("", *signatures),
        columns={name: taken(seen.columns[name], rows) for name in _conditions(seen, rows, failed)},
        addresses=seen.addresses.taken(rows) if seen.addresses else None,
        machine_names=machine_names,
    )
    kept = [told[place] for place in order.tolist()]
    return Ground(table, tuple(boot for _, boot, _ in kept), tuple(signature for *_, signature in kept))


def machine_labels(boots: Sequence[Boot], failed: frozenset[str] | set[str]) -> dict[str, str]:
    """By report, another name for the machine where what it says of itself is not believed.

    Marks in a report are claims; the address it came from is a mark of another kind. Where many machines fail that
    all came from one address which never sent a healthy boot, they count as one machine. A room behind one
    translated address has healthy boots too.
    """
    of_source: defaultdict[str, list[Boot]] = defaultdict(list)
    for boot in boots:
        if boot.source:
            of_source[boot.source].append(boot)
    labels: dict[str, str] = {}
    for source, those in of_source.items():
        bad = {boot.machine_id for boot in those if boot.report_id in failed}
        good = {boot.machine_id for boot in those if boot.report_id not in failed}
        if len(bad) > _FROM_ONE_SOURCE and not good:
            labels |= {boot.report_id: f"from {source}" for boot in those}
    return labels


def with_telling_values(boots: Sequence[Boot]) -> list[Boot]:
    """The boots without what only says again what another value says, as the only gateway of a subnet does."""
    several = {inner: _with_several(boots, inner, outer) for inner, outer in _SAME_UNLESS_SEVERAL.items()}
    kept = []
    for boot in boots:
        dull = {i for i, outer in _SAME_UNLESS_SEVERAL.items() if _value(boot, outer) not in several[i]}
        kept.append(_without(boot, dull) if dull & boot.attributes.keys() else boot)
    return kept


def _with_several(boots: Sequence[Boot], inner: str, outer: str) -> set[str]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for boot in boots:
        found[_value(boot, outer)].add(boot.attributes.get(inner, ""))
    return {value for value, inside in found.items() if value and len(inside - {""}) > 1}


def _value(boot: Boot, name: str) -> str:
    return boot.subnet if name == "subnet" else boot.attributes.get(name, "")


def _without(boot: Boot, names: Collection[str]) -> Boot:
    return replace(boot, attributes={key: value for key, value in boot.attributes.items() if key not in names})


def _conditions(seen: Seen, rows: Places, failed: Flags) -> Iterator[str]:
    """Attributes that can be a condition: they tell boots apart, and are known before a boot fails."""
    for name, column in seen.columns.items():
        codes = column.codes[rows]
        known = codes != MISSING
        if name not in _CONSEQUENCES and _varies(codes[known]) and _known_before(known, failed):
            yield name


def _varies(codes: Codes) -> bool:
    return len(codes) > 0 and bool(codes.min() != codes.max())


def _known_before(known: Flags, failed: Flags) -> bool:
    if failed.all():
        return True
    failed_share = float(known[failed].mean()) if failed.any() else 0.0
    return float(known[~failed].mean()) >= _AS_OFTEN * failed_share
