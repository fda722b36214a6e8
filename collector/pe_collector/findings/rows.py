"""How do boots become rows of the engine's table? One signature a boot, one machine a machine."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pe_collector.boots import Boot
from pe_collector.engine.table import Row, Table, table_of

# Known only when something failed, so that every boot that has it failed: no condition.
_CONSEQUENCES = frozenset({"last_hop"})
# Attribute -> another one that says the same, but for where one of its values goes with several of these.
_SAME_UNLESS_SEVERAL = {"gateway": "subnet", "image_build": "image"}
# An attribute that healthy boots report less than half as often as failed ones is one of these too.
_AS_OFTEN = 0.5
# From one address so many machines may fail without a single healthy boot before they count as one machine.
_FROM_ONE_SOURCE = 3


@dataclass(frozen=True, slots=True)
class Ground:
    """A table and the boots that its rows stand for, in the same order."""

    table: Table
    boots: tuple[Boot, ...]
    signatures: tuple[str, ...]


def ground_of(boots: Sequence[Boot], signature_of: Callable[[Boot], str | None]) -> Ground:
    """The table of these boots.

    `signature_of` gives the signature of a failed boot, '' for one that is well in this respect and None for one
    that says nothing about it.
    """
    told = [(boot, signature) for boot in boots if (signature := signature_of(boot)) is not None]
    names = _names(told)
    labels = machine_labels([boot for boot, _ in told], {boot.report_id for boot, signature in told if signature})
    rows = [
        (_row(boot, signature, labels.get(boot.report_id, boot.machine_id), names), boot) for boot, signature in told
    ]
    rows.sort(key=lambda pair: (pair[0].at_s, pair[0].machine, pair[0].signature))
    table = table_of([row for row, _ in rows], sorted({boot.subnet for boot in boots if boot.subnet}))
    return Ground(table, tuple(boot for _, boot in rows), tuple(row.signature for row, _ in rows))


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


def _row(boot: Boot, signature: str, machine: str, names: frozenset[str]) -> Row:
    attributes = {name: value for name, value in boot.attributes.items() if name in names and value}
    return Row(boot.at_s, machine, signature, boot.address, attributes)


def _names(told: Sequence[tuple[Boot, str]]) -> frozenset[str]:
    """Attributes that can be a condition: known before the boot failed."""
    known: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    sizes = Counter(bool(signature) for _, signature in told)
    for boot, signature in told:
        known[bool(signature)].update(name for name, value in boot.attributes.items() if value)
    shares = {failed: _shares(counted, sizes[failed]) for failed, counted in known.items()}
    return frozenset(
        name
        for name in _varying(told) - _CONSEQUENCES
        if (not sizes[False] or shares[False].get(name, 0.0) >= _AS_OFTEN * shares[True].get(name, 0.0))
    )


def _varying(told: Sequence[tuple[Boot, str]]) -> set[str]:
    """Attributes with more than one value: the others tell no boots apart."""
    pairs = {pair for boot, _ in told for pair in boot.attributes.items() if pair[1]}
    counted = Counter(name for name, _ in pairs)
    return {name for name, count in counted.items() if count > 1}


def _shares(counted: Counter[str], size: int) -> Mapping[str, float]:
    return {name: count / max(1, size) for name, count in counted.items()}
