"""Which groups of boots are worth asking about: prefixes, attributes' values, and pairs of them.

Sets of boots are integers used as bitsets: bit n is the n-th boot in order of time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, compress
from math import log

from pe_collector.prefixes import AddressTable, Prefix, bitset, parse_address, parse_prefix
from pe_collector.statistics import Counts, log_likelihood_ratio

# Cost of a description in natural logarithms: minus the log of how likely it is before any boot was seen.
_ITEM_COST = 1.5
_UNREPORTED_COST = 1.0
_CUTTING_COST = 3.0
# Pairs are made of the items that say most by themselves.
_PAIRED_ITEMS = 100
_BIT_TO_FLAG = bytes.maketrans(b"01", b"\x00\x01")


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot of one machine, as the statistic sees it.

    Attributes:
        at_s: Unix time by the collector's clock, seconds.
        address: IP address, or empty.
        subnet: `10.10.1.0/24`, as the machine's own netmask says, or empty.
        attributes: what else is known of the boot, by name; an absent or empty one is not known.
        failures: signature -> the target it was seen on (`10.10.9.20:5040`), or empty.
        reached: probes that gave an answer; a boot that failed early is no evidence about later stages.
    """

    report_id: str
    machine_id: str
    at_s: float
    address: str = ""
    subnet: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    healthy: bool = False
    reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """One condition. `outside` holds the boots known not to meet it: one that lacks the attribute is in neither set.

    `rank` orders items that hold the same boots, the one to name first.
    """

    name: str
    value: str
    inside: int
    outside: int
    cost: float
    rank: int


@dataclass(frozen=True, slots=True)
class View:
    """The boots that a search looks at, and those of them that failed."""

    population: int
    failing: int

    def counts(self, inside: int, outside: int) -> Counts:
        """Failures and boots of two groups."""
        inside, outside = inside & self.population, outside & self.population
        return Counts(
            (inside & self.failing).bit_count(),
            inside.bit_count(),
            (outside & self.failing).bit_count(),
            outside.bit_count(),
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A conjunction of one or two items, cut to a view; `twins` hold exactly the same boots."""

    items: tuple[Item, ...]
    inside: int
    outside: int
    twins: tuple[Item, ...] = ()

    @property
    def cost(self) -> float:
        """Of describing it."""
        return sum(item.cost for item in self.items)

    @property
    def order(self) -> tuple[int, int, str]:
        """Decides between equals: fewer items, then rank, then the text."""
        text = " ".join(f"{item.name}={item.value}" for item in self.items)
        return len(self.items), sum(item.rank for item in self.items), text

    def gain(self, view: View) -> float:
        """What it explains at its own cost."""
        return log_likelihood_ratio(view.counts(self.inside, self.outside)) - self.cost


class Fleet:
    """The boots in order of time, and who has which address and attribute."""

    def __init__(self, boots: Sequence[Boot]) -> None:
        self.boots = sorted(boots, key=lambda b: (b.at_s, b.machine_id, b.report_id))
        self.size = len(self.boots)
        self._subnets = {p for p in map(parse_prefix, {b.subnet for b in self.boots if b.subnet}) if p is not None}
        self._holders = self._by_value()
        self._known: dict[str, int] = {}

    def _by_value(self) -> dict[str, dict[str, list[int]]]:
        holders: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for n, boot in enumerate(self.boots):
            for name, value in boot.attributes.items():
                if value:
                    holders[name][value].append(n)
        return holders

    @cached_property
    def addresses(self) -> AddressTable:
        """The boots in order of address."""
        return AddressTable([parse_address(b.address) for b in self.boots], self._subnets)

    def items(self, view: View, at_least: int) -> list[Item]:
        """Every prefix and every value that `at_least` of the failed boots share."""
        failing = places(view.failing, self.size)
        return [*self._prefix_items(failing, at_least), *self._attribute_items(failing, at_least)]

    def _prefix_items(self, failing: Sequence[int], at_least: int) -> list[Item]:
        table = self.addresses
        items = []
        for prefix, inside in table.prefixes_over(failing, at_least):
            cost, rank = self._prefix_cost(prefix)
            items.append(Item("prefix", str(prefix), inside, table.known & ~inside, cost, rank))
        return items

    def _prefix_cost(self, prefix: Prefix) -> tuple[float, int]:
        cost = _ITEM_COST + log(max(2, len(self._subnets)))
        if self.addresses.reported(prefix):
            return cost, 0
        return (cost + _CUTTING_COST, 3) if self.addresses.cuts(prefix) else (cost + _UNREPORTED_COST, 1)

    def _attribute_items(self, failing: Sequence[int], at_least: int) -> list[Item]:
        pairs = ((name, value) for n in failing for name, value in self.boots[n].attributes.items() if value)
        shared = sorted(pair for pair, count in Counter(pairs).items() if count >= at_least)
        return [self._attribute_item(name, value) for name, value in shared if len(self._holders[name]) > 1]

    def _attribute_item(self, name: str, value: str) -> Item:
        holders = self._holders[name]
        if name not in self._known:
            self._known[name] = bitset([n for boots in holders.values() for n in boots], self.size)
        inside = bitset(holders[value], self.size)
        return Item(name, value, inside, self._known[name] & ~inside, _ITEM_COST + log(len(holders)), 2)


def candidates(fleet: Fleet, view: View, at_least: int) -> list[Candidate]:
    """Every distinct group of boots with `at_least` failures in it and other boots outside."""
    alike: dict[int, list[Item]] = defaultdict(list)
    for item in sorted(fleet.items(view, at_least), key=lambda i: (i.rank, i.name, i.value)):
        alike[item.inside & view.population].append(item)
    singles = [_twinned(conjunction((first,), view), twins) for first, *twins in alike.values()]
    singles = [c for c in singles if c.outside]
    return singles + _pairs(singles, view, at_least)


def conjunction(items: tuple[Item, ...], view: View) -> Candidate:
    """The boots of a view that meet all the items, and those known to miss one."""
    inside, outside = view.population, 0
    for item in items:
        inside &= item.inside
        outside |= item.outside
    return Candidate(items, inside, outside & view.population)


def _twinned(candidate: Candidate, twins: Sequence[Item]) -> Candidate:
    return Candidate(candidate.items, candidate.inside, candidate.outside, tuple(twins))


def _pairs(singles: Sequence[Candidate], view: View, at_least: int) -> list[Candidate]:
    telling = sorted(singles, key=lambda c: (-c.gain(view), c.order))[:_PAIRED_ITEMS]
    seen = {c.inside for c in singles}
    pairs = []
    for one, other in combinations(sorted(telling, key=lambda c: c.order), 2):
        inside = one.inside & other.inside
        if inside in seen or one.items[0].name == other.items[0].name:
            continue
        if (inside & view.failing).bit_count() >= at_least:
            seen.add(inside)
            pairs.append(conjunction(one.items + other.items, view))
    return pairs


def flags(boots: int, size: int) -> bytes:
    """One octet a boot, 1 for those in the set."""
    return f"{boots:0{size}b}"[::-1].encode().translate(_BIT_TO_FLAG) if size else b""


def places(boots: int, size: int) -> list[int]:
    """The members of a set, ascending."""
    return list(compress(range(size), flags(boots, size)))


def span(first: int, last: int) -> int:
    """All boots from the first to the last, both included."""
    return (1 << (last + 1)) - (1 << first)
