"""Which prefixes hold an address? Addresses are ranked, so that a prefix of any length is one stretch of ranks."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pe_collector.prefixes import Prefix, parse_address, parse_prefix

_BITS = {4: 32, 6: 128}
_WORDS = 4
# What a network usually has when nothing is reported: the length to say among those that hold the same boots.
_USUAL_LENGTH = {4: 24, 6: 64}
# Two addresses of different versions share less than nothing.
_NOTHING_SHARED = -1
# Sums of one weight in another order differ by less.
ROUNDING = 1e-6

_Ranks = npt.NDArray[np.int32]
_Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PrefixRange:
    """A stretch of ranks `low` to `high` (excluded), and the lengths of a prefix that holds exactly these."""

    low: int
    high: int
    shortest: int
    longest: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Addresses:
    """The address of each row as a rank among the distinct ones, -1 where not known.

    `shared` holds, for each neighbouring pair of ranks, how many leading bits they share.
    """

    ranks: _Ranks
    numbers: tuple[tuple[int, int], ...]
    shared: npt.NDArray[np.int16]
    subnets: frozenset[Prefix]

    @classmethod
    def of(cls, texts: Sequence[str], subnets: Sequence[str] = ()) -> Addresses | None:
        """None when no text is an address. Link-local addresses say no place and count as not known."""
        parsed = {text: parse_address(text) for text in set(texts)}
        reported = {prefix for text in set(subnets) if (prefix := parse_prefix(text)) is not None}
        return cls.of_numbers([parsed[text] for text in texts], frozenset(reported))

    @classmethod
    def of_numbers(
        cls, addresses: Sequence[tuple[int, int] | None], subnets: frozenset[Prefix] = frozenset()
    ) -> Addresses | None:
        """The same from IP version and number of each row."""
        codes = {number: n for n, number in enumerate(dict.fromkeys(addresses))}
        return cls.of_distinct(tuple(codes), np.array([codes[number] for number in addresses], dtype=np.int64), subnets)

    @classmethod
    def of_distinct(
        cls, known: Sequence[tuple[int, int] | None], codes: _Places, subnets: frozenset[Prefix] = frozenset()
    ) -> Addresses | None:
        """The same from each address once, and the place there of that of each row."""
        ascending = sorted((number, n) for n, number in enumerate(known) if number is not None)
        if not ascending:
            return None
        ranks = np.full(len(known), -1, dtype=np.int32)
        ranks[[n for _, n in ascending]] = np.arange(len(ascending), dtype=np.int32)
        numbers = tuple(number for number, _ in ascending)
        return cls(ranks[codes], numbers, shared_bits(words_of(numbers)), subnets)

    def taken(self, rows: _Places) -> Addresses | None:
        """Those of these rows; None when none of them has one."""
        ranks = self.ranks[rows]
        known = np.flatnonzero(np.bincount(ranks + 1, minlength=len(self.numbers) + 1)[1:])
        if not len(known):
            return None
        if len(known) == len(self.numbers):
            return Addresses(ranks, self.numbers, self.shared, self.subnets)
        place = np.full(len(self.numbers) + 1, -1, dtype=np.int32)
        place[known] = np.arange(len(known), dtype=np.int32)
        # What two addresses share, all between them share.
        shared = np.minimum.reduceat(self.shared[: known[-1]], known[:-1]) if len(known) > 1 else self.shared[:0]
        return Addresses(place[ranks], tuple(self.numbers[n] for n in known.tolist()), shared, self.subnets)

    def ranges(self, failing: npt.NDArray[np.float64], at_least: float) -> list[PrefixRange]:
        """Every stretch that a prefix can make and that holds `at_least` of the failing weight given by rank.

        But for the one that holds all addresses: it would say nothing.
        """
        return Stretches.of(self, failing, at_least).holding(failing, at_least)

    def prefix_of(self, stretch: PrefixRange) -> Prefix:
        """The prefix to say for it: a reported subnet, else the length nearest to what networks usually have."""
        reported = self.reported_in(stretch)
        version = self.numbers[stretch.low][0]
        length = min(max(_USUAL_LENGTH[version], stretch.shortest), stretch.longest)
        return reported or self._cut(stretch.low, length)

    def reported_in(self, stretch: PrefixRange) -> Prefix | None:
        """The subnet, if machines report one, that holds exactly this stretch."""
        if not self.subnets:
            return None
        lengths = range(stretch.shortest, stretch.longest + 1)
        return next((cut for n in lengths if (cut := self._cut(stretch.low, n)) in self.subnets), None)

    def _cut(self, rank: int, length: int) -> Prefix:
        version, number = self.numbers[rank]
        shift = _BITS[version] - length
        return Prefix(version, number >> shift << shift, length)


@dataclass(frozen=True, slots=True)
class Stretches:
    """What `ranges` chooses from, kept where it is asked for parts of the failing weight: a row holds a PrefixRange."""

    rows: _Places

    @classmethod
    def of(cls, addresses: Addresses, failing: npt.NDArray[np.float64], at_least: float) -> Stretches:
        """Those that hold `at_least` of this weight, in no order."""
        shared, count = addresses.shared, len(addresses.numbers)
        outer = np.concatenate(([_NOTHING_SHARED], shared, [_NOTHING_SHARED])).astype(np.int64)
        six_from = bisect_left(addresses.numbers, (6, 0))
        bits = np.where(np.arange(count) < six_from, _BITS[4], _BITS[6])
        cuts = np.flatnonzero(np.bincount(shared + 1)[1:]) + 1
        total = _running(failing)
        parts = []
        for shorter, length in itertools.pairwise([0, *sorted({*cuts.tolist(), int(bits[-1])})]):
            low = np.concatenate(([0], np.flatnonzero(shared < length) + 1))
            high = np.append(low[1:], count)
            blocks = len(low)
            held = total[high] - total[low] >= at_least - ROUNDING
            low, high = low[held], high[held]
            shortest = np.maximum(1, 1 + np.maximum(outer[low], outer[high]))
            # What an earlier length cut out just so is there already.
            new = shortest > shorter
            low, high = low[new], high[new]
            columns = (low, high, shortest[new], _longest(outer, bits, low, high), np.full(len(low), blocks))
            parts.append(np.stack(columns, axis=1))
        return cls(np.concatenate(parts))

    def holding(self, failing: npt.NDArray[np.float64], at_least: float) -> list[PrefixRange]:
        """Those with `at_least` of the failing weight given by rank, a part of what these were chosen by, in order."""
        total = _running(failing)
        kept = self.rows[total[self.rows[:, 1]] - total[self.rows[:, 0]] >= at_least]
        order = np.lexsort((kept[:, 1], kept[:, 0]))
        return [PrefixRange(*row) for row in kept[order].tolist()]


def _running(failing: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.concatenate(([0.0], np.cumsum(failing)))


def _longest(outer: _Places, bits: _Places, low: _Places, high: _Places) -> _Places:
    """The longest length of each stretch: the bits that all its addresses share, or those of its only one."""
    if not len(low):
        return low
    inner = np.minimum.reduceat(outer[1:], np.stack((low, high - 1), axis=1).ravel())[::2]
    return np.where(high - low > 1, inner, bits[low])


def words_of(numbers: Sequence[tuple[int, int]]) -> npt.NDArray[np.uint32]:
    """A row an address: its version, then the number as four words of 32 bits, an IPv4 address in the first."""
    versions = np.array([version for version, _ in numbers], dtype=np.uint32)
    octets = b"".join((number << 96 if version == 4 else number).to_bytes(16, "big") for version, number in numbers)
    words = np.frombuffer(octets, dtype=">u4").reshape(-1, _WORDS)
    return np.column_stack((versions, words)).astype(np.uint32)


def shared_bits(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.int16]:
    """Leading bits that each of these ascending addresses, as `words_of` gives them, shares with the next one."""
    shared = np.full(len(words) - 1, 128, dtype=np.int16)
    for place in reversed(range(_WORDS)):
        differing = words[1:, 1 + place] ^ words[:-1, 1 + place]
        # The exponent of a double is exact for 32 bits: it is the number of bits up to the highest one set.
        first = 32 * place + 32 - np.frexp(differing.astype(np.float64))[1]
        shared = np.where(differing > 0, first, shared).astype(np.int16)
    shared[words[1:, 0] != words[:-1, 0]] = _NOTHING_SHARED
    return shared
