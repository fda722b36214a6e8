"""Which rank has each address among all that were ever seen? Worked out anew only when new ones came."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pe_collector.engine.addresses import Addresses, shared_bits, words_of
from pe_collector.engine.table import MISSING, Codes
from pe_collector.prefixes import Prefix, parse_address, parse_prefix


class Numbers:
    """Addresses by the place of their text in a list that only grows."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._known: list[tuple[int, int] | None] = []
        self._words = words_of([])
        self._ranks: Codes = np.zeros(0, dtype=np.int32)
        self._ranked = Addresses(self._ranks, (), np.zeros(0, dtype=np.int16), frozenset())
        self._subnets: dict[str, Prefix | None] = {}

    def of(self, codes: Codes, subnets: Iterable[str]) -> Addresses | None:
        """The addresses of rows that have these places in the list; None when none is an address."""
        if len(self._known) != len(self._texts):
            self._learn()
        if not self._ranked.numbers:
            return None
        ranks = np.append(self._ranks, MISSING)[codes].astype(np.int32)
        reported = frozenset(place for text in subnets if (place := self._subnet(text)) is not None)
        whole = Addresses(ranks, self._ranked.numbers, self._ranked.shared, reported)
        return whole.taken(np.arange(len(codes)))

    def _subnet(self, text: str) -> Prefix | None:
        if text not in self._subnets:
            self._subnets[text] = parse_prefix(text)
        return self._subnets[text]

    def _learn(self) -> None:
        new = [parse_address(text) for text in self._texts[len(self._known) :]]
        self._known += new
        self._words = np.concatenate((self._words, words_of([number or (0, 0) for number in new])))
        order = np.lexsort(self._words.T[::-1])
        # What is no address has no version and comes first.
        order = order[self._words[order, 0] > 0]
        words = self._words[order]
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = (words[1:] != words[:-1]).any(axis=1)
        self._ranks = np.full(len(self._known), MISSING, dtype=np.int32)
        self._ranks[order] = np.cumsum(first) - 1
        numbers = tuple(number for n in order[first].tolist() if (number := self._known[n]) is not None)
        shared = shared_bits(words[first]) if numbers else np.zeros(0, dtype=np.int16)
        self._ranked = Addresses(self._ranks, numbers, shared, frozenset())
