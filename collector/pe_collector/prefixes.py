"""Which IP prefixes hold the boots that fail? IPv4 and IPv6 alike.

Sets of boots are integers used as bitsets: bit n is boot n.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True, order=True)
class Prefix:
    """An IP prefix; `network` is its address with all bits after `length` zero."""

    version: int
    network: int
    length: int

    def __str__(self) -> str:
        address = ipaddress.ip_address(self.network.to_bytes(_BITS[self.version] // 8, "big"))
        return f"{address}/{self.length}"

    def holds(self, other: Prefix) -> bool:
        """Whether the other one lies in this one, or is the same."""
        if self.version != other.version or self.length > other.length:
            return False
        return _cut(self.version, other.network, self.length) == self.network


def parse_address(text: str) -> tuple[int, int] | None:
    """(IP version, number); None for what is no address, and for link-local ones, which say no place."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if address.is_link_local else (address.version, int(address))


def parse_prefix(text: str) -> Prefix | None:
    """`10.10.1.0/24` (bits after the length are dropped); None when it is no prefix or link-local."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if "/" not in text or network.is_link_local:
        return None
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def bitset(places: Collection[int], size: int) -> int:
    """The set of these places, each below `size`."""
    digits = bytearray(b"0" * size)
    for place in places:
        digits[size - 1 - place] = 49
    return int(digits or b"0", 2)


class AddressTable:
    """The boots in order of address, so that a prefix is one stretch of them."""

    def __init__(self, addresses: Sequence[tuple[int, int] | None], subnets: Collection[Prefix]) -> None:
        rows = sorted((address, n) for n, address in enumerate(addresses) if address is not None)
        self._addresses = [address for address, _ in rows]
        self._boots = [n for _, n in rows]
        self._of_boot = addresses
        self._subnets = frozenset(subnets)
        self._lengths = {v: {s.length for s in subnets if s.version == v} for v in _BITS}
        self._sets: dict[tuple[int, int], int] = {}
        self.known = bitset(self._boots, len(addresses))

    def prefixes_over(self, boots: Sequence[int], at_least: int) -> Iterator[tuple[Prefix, int]]:
        """Prefixes of any length that hold `at_least` of these boots, each with the set of all boots in it.

        Of the prefixes that hold the same boots only one is given: a subnet that machines report, else the
        longest that does not cut such a subnet, else the longest.
        """
        chosen: dict[tuple[int, int], Prefix] = {}
        for prefix in self._shared(boots, at_least):
            stretch = self._stretch(prefix)
            rival = chosen.get(stretch)
            if rival is None or self.merit(prefix) > self.merit(rival):
                chosen[stretch] = prefix
        for stretch, prefix in sorted(chosen.items()):
            yield prefix, self._set(stretch)

    def merit(self, prefix: Prefix) -> tuple[int, int]:
        """2 for a reported subnet, 1 when it cuts none, 0 else; then the length. More is better."""
        if self.reported(prefix):
            return 2, prefix.length
        return (0 if self.cuts(prefix) else 1), prefix.length

    def reported(self, prefix: Prefix) -> bool:
        """Whether a machine's own netmask says this prefix."""
        return prefix in self._subnets

    def cuts(self, prefix: Prefix) -> bool:
        """Whether it is only a part of a subnet that machines report."""
        version, network = prefix.version, prefix.network
        shorter = [n for n in self._lengths[version] if n < prefix.length]
        return any(Prefix(version, _cut(version, network, n), n) in self._subnets for n in shorter)

    def _shared(self, boots: Sequence[int], at_least: int) -> Iterable[Prefix]:
        """Every prefix of length 1 or more over the addresses of `at_least` of these boots."""
        addresses: dict[tuple[int, int], int] = {}
        for n in boots:
            address = self._of_boot[n]
            if address is not None:
                addresses[address] = addresses.get(address, 0) + 1
        counts: dict[tuple[int, int, int], int] = {}
        for (version, number), count in addresses.items():
            for length in range(1, _BITS[version] + 1):
                key = version, _cut(version, number, length), length
                counts[key] = counts.get(key, 0) + count
        return [Prefix(*key) for key, count in counts.items() if count >= at_least]

    def _stretch(self, prefix: Prefix) -> tuple[int, int]:
        last = prefix.network | ((1 << (_BITS[prefix.version] - prefix.length)) - 1)
        low = bisect_left(self._addresses, (prefix.version, prefix.network))
        return low, bisect_left(self._addresses, (prefix.version, last + 1))

    def _set(self, stretch: tuple[int, int]) -> int:
        if stretch not in self._sets:
            self._sets[stretch] = bitset(self._boots[slice(*stretch)], len(self._of_boot))
        return self._sets[stretch]


def _cut(version: int, number: int, length: int) -> int:
    shift = _BITS[version] - length
    return number >> shift << shift
