"""How do boots become rows of the engine's table? One signature a boot, one machine a machine.

Several searches look at the same boots, each at those that say something about its signatures. What stays the same
in all of them, values as codes and addresses as numbers, is worked out once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pe_collector.boots import Boot
from pe_collector.engine.addresses import Addresses
from pe_collector.engine.table import MISSING, Codes, Column, Flags, Places, Reals, Table, is_known, taken
from pe_collector.findings.shelf import ADDRESSES, FAULTS, MACHINES, SILENCES, SOURCES, SUBNETS, WARNINGS, Shelf
from pe_collector.findings.slow import SLOW, slow_after_s

# What a boot says of a search, beside the number of a signature.
WELL, NOTHING = MISSING, MISSING - 1
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
    """Boots that are searched, in order of time, and what all searches share of them.

    It looks at the shelf, and is right until something changes there.
    """

    shelf: Shelf
    places: Places

    @classmethod
    def of(cls, boots: Iterable[Boot]) -> Seen:
        """These boots, in whatever order they come."""
        shelf = Shelf.of(boots)
        return cls(shelf, shelf.ordered())

    @cached_property
    def boots(self) -> tuple[Boot, ...]:
        """All of them."""
        return self.boots_at(np.arange(len(self.places)))

    def boots_at(self, rows: Places) -> tuple[Boot, ...]:
        """Those of these rows."""
        found = map(self.shelf.boots.__getitem__, self.places[rows].tolist())
        return tuple(boot for boot in found if boot is not None)

    def said(self, what: int) -> Codes:
        """By row, the number of a word: one of the columns of the shelf."""
        codes: Codes = self.shelf.codes[what, self.places]
        return codes

    @cached_property
    def at_s(self) -> Reals:
        """Unix seconds."""
        return self.shelf.at_s[self.places]

    @cached_property
    def machines(self) -> Codes:
        """A number for each machine."""
        return self.said(MACHINES)

    @cached_property
    def faults(self) -> Codes:
        """The fault that stopped each boot, WELL where it went on, NOTHING where neither is known."""
        return self._or_well(self.said(FAULTS))

    @cached_property
    def warnings(self) -> Codes:
        """The warning of each boot, else `slow-address`, else what stopped it; WELL and NOTHING as for `faults`."""
        limit_s = slow_after_s(self.shelf.waits[self.places])
        warned = self.said(WARNINGS)
        if limit_s is not None:
            slow = (self.shelf.waits[self.places] > limit_s) & self.shelf.past[self.places]
            warned = np.where((warned < 0) & slow, self.shelf.signatures.code(SLOW), warned)
        return self._or_well(np.where(warned >= 0, warned, self.said(FAULTS)))

    @cached_property
    def silences(self) -> Codes:
        """How far a boot got of which only servers know; WELL for one that reported, whatever it reported."""
        return self.said(SILENCES)

    def _or_well(self, codes: Codes) -> Codes:
        well = self.shelf.well[self.places]
        return np.where(codes >= 0, codes, np.where(well, WELL, NOTHING)).astype(np.int32)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Each attribute by name, a code for each boot; without what only says again what another one says."""
        return {name: self._column(name) for name in sorted(self.shelf.attributes)}

    def _column(self, name: str) -> Column:
        attribute = self.shelf.attributes[name]
        codes = attribute.codes[self.places]
        outer = _SAME_UNLESS_SEVERAL.get(name)
        if outer is not None:
            codes = np.where(_has_several(self._outer(outer), codes), codes, MISSING)
        places = attribute.words.sorted_places()
        words = attribute.words.names
        in_order = np.empty(len(places), dtype=np.int64)
        in_order[places] = np.arange(len(places))
        return _without_gaps(np.append(places, MISSING)[codes].astype(np.int32), words, in_order)

    def _outer(self, name: str) -> Codes:
        if name == "subnet":
            return self.said(SUBNETS)
        attribute = self.shelf.attributes.get(name)
        return np.full(len(self.places), MISSING, np.int32) if attribute is None else attribute.codes[self.places]

    @cached_property
    def addresses(self) -> Addresses | None:
        """The address of each boot, and the subnets that machines report."""
        subnets = is_known(self.said(SUBNETS), len(self.shelf.subnets.names))
        reported = [self.shelf.subnets.names[n] for n in np.flatnonzero(subnets).tolist()]
        return self.shelf.numbers.of(self.said(ADDRESSES), sorted(reported))


@dataclass(frozen=True, slots=True)
class Ground:
    """A table, and which of the boots that were seen its rows stand for, in the same order."""

    table: Table
    seen: Seen
    rows: Places

    @property
    def signatures(self) -> frozenset[str]:
        """Those that occur."""
        return frozenset(self.table.signatures) - {""}

    def signature(self, row: int) -> str:
        """That of a row; empty for one that is well."""
        return self.table.signatures[int(self.table.outcomes[row])]

    def boots(self, rows: Places) -> tuple[Boot, ...]:
        """The boots of these rows."""
        return self.seen.boots_at(self.rows[rows])

    def machines(self, rows: Places) -> Codes:
        """The machines of these rows as they call themselves."""
        codes: Codes = self.seen.machines[self.rows[rows]]
        return codes


def ground_of(seen: Seen, said: Codes, names: Collection[str] | None = None) -> Ground:
    """The table of those boots that say something, with all attributes or those of these names.

    `said` holds, for each boot, the number of its signature, WELL, or NOTHING where it says nothing about these.
    """
    rows = np.flatnonzero(said != NOTHING)
    codes = said[rows]
    found = np.flatnonzero(is_known(codes, len(seen.shelf.signatures.names))).tolist()
    found.sort(key=seen.shelf.signatures.names.__getitem__)
    outcome = np.zeros(len(seen.shelf.signatures.names) + 1, dtype=np.int32)
    outcome[found] = np.arange(1, len(found) + 1)
    outcomes = outcome[codes]
    failed = codes >= 0
    return Ground(
        Table(
            at_s=seen.at_s[rows],
            machines=_machines(seen, rows, failed),
            outcomes=outcomes,
            signatures=("", *(seen.shelf.signatures.names[n] for n in found)),
            columns={name: taken(seen.columns[name], rows) for name in _conditions(seen, rows, failed, names)},
            addresses=seen.addresses.taken(rows) if seen.addresses else None,
        ),
        seen,
        rows,
    )


def _machines(seen: Seen, rows: Places, failed: Flags) -> Codes:
    """The machine of each row, another number where what it says of itself is not believed.

    Marks in a report are claims; the address it came from is a mark of another kind. Where many machines fail that
    all came from one address which never sent a healthy boot, they count as one machine. A room behind one
    translated address has healthy boots too.
    """
    machines, sources = seen.machines[rows], seen.said(SOURCES)[rows]
    count = len(seen.shelf.sources.names)
    known = sources >= 0
    width = len(seen.shelf.machines.names) + 1
    pairs = np.unique(sources[known & failed].astype(np.int64) * width + machines[known & failed] + 1)
    many = np.bincount(pairs // width, minlength=count + 1) > _FROM_ONE_SOURCE
    many[sources[known & ~failed]] = False
    many[count] = False
    return np.where(many[sources], len(seen.shelf.machines.names) + sources, machines).astype(np.int32)


def _conditions(seen: Seen, rows: Places, failed: Flags, names: Collection[str] | None) -> Iterator[str]:
    """Attributes that can be a condition: they tell boots apart, and are known before a boot fails."""
    for name, column in seen.columns.items():
        if name in _CONSEQUENCES or (names is not None and name not in names):
            continue
        codes = column.codes[rows]
        known = codes != MISSING
        if _varies(codes[known]) and _known_before(known, failed):
            yield name


def _varies(codes: Codes) -> bool:
    return len(codes) > 0 and bool(codes.min() != codes.max())


def _known_before(known: Flags, failed: Flags) -> bool:
    if failed.all():
        return True
    failed_share = float(known[failed].mean()) if failed.any() else 0.0
    return float(known[~failed].mean()) >= _AS_OFTEN * failed_share


def _has_several(outer: Codes, inner: Codes) -> Flags:
    """Whether a row has a value of the outer attribute that goes with several values of the inner one."""
    both = (outer >= 0) & (inner >= 0)
    pairs = np.unique(outer[both].astype(np.int64) << 32 | inner[both])
    counts = np.bincount(pairs >> 32, minlength=int(outer.max(initial=0)) + 2)
    # The last place serves rows without a value.
    counts[-1] = 0
    flags: Flags = counts[outer] > 1
    return flags


def _without_gaps(codes: Codes, words: list[str], in_order: Places) -> Column:
    """The column with the values that occur alone."""
    known = np.flatnonzero(is_known(codes, len(words)))
    place = np.full(len(words) + 1, MISSING, dtype=np.int32)
    place[known] = np.arange(len(known), dtype=np.int32)
    return Column(place[codes], tuple(words[n] for n in in_order[known].tolist()))
