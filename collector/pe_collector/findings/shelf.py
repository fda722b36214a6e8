"""Boots as columns of small numbers, kept while boots come, change and go: a change costs what that boot costs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pe_collector.boots import Boot
from pe_collector.engine.table import MISSING, Codes, Places, Reals
from pe_collector.findings.numbers import Numbers
from pe_collector.findings.silence import silence_of
from pe_collector.findings.slow import SLOW
from pe_collector.findings.stages import came_past, fault_of, warning_of

# What each boot says besides its attributes, as words; the first four share the words of the signatures.
FAULTS, WARNINGS, SILENCES, MACHINES, SOURCES, ADDRESSES, SUBNETS = range(7)
_WORDS: tuple[Callable[[Boot], str], ...] = (
    fault_of,
    warning_of,
    silence_of,
    lambda boot: boot.machine_id,
    lambda boot: boot.source,
    lambda boot: boot.address,
    lambda boot: boot.subnet,
)
_SIGNATURES = (FAULTS, WARNINGS, SILENCES)
_LEAST_ROOM = 1024
# Words that no boot has any more are thrown out when there are so many times more of them than of boots.
_STALE = 4
_STALE_AT_LEAST = 50_000


class Words:
    """Words as numbers in the order they came; an empty one is MISSING."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._places: dict[str, int] = {"": MISSING}
        self._order: tuple[int, Places] = (0, np.zeros(0, dtype=np.int64))

    def code(self, word: str) -> int:
        """The number of a word, a new one if need be."""
        place = self._places.get(word)
        if place is None:
            place = self._places[word] = len(self.names)
            self.names.append(word)
        return place

    def codes(self, words: Iterable[str]) -> Codes:
        """Their numbers."""
        code = self.code
        return np.array([code(word) for word in words], dtype=np.int32)

    def known(self, word: str) -> int:
        """The number of a word; MISSING where it has none."""
        return self._places.get(word, MISSING)

    def sorted_places(self) -> Places:
        """By number, where the word stands among all of them in the order of the alphabet."""
        if self._order[0] != len(self.names):
            order = sorted(range(len(self.names)), key=self.names.__getitem__)
            places = np.zeros(len(order), dtype=np.int64)
            places[order] = np.arange(len(order))
            self._order = len(self.names), places
        return self._order[1]


class Attribute:
    """One attribute of all boots."""

    def __init__(self, room: int) -> None:
        self.words = Words()
        self.codes: Codes = np.full(room, MISSING, dtype=np.int32)


class Shelf:
    """Boots by a key of whoever keeps them, each at a place that is given to another when it goes."""

    def __init__(self) -> None:
        self.boots: list[Boot | None] = []
        self.signatures, self.machines, self.sources, self.addresses, self.subnets = (Words() for _ in range(5))
        self.attributes: dict[str, Attribute] = {}
        self.numbers = Numbers(self.addresses.names)
        self._words = (
            *(self.signatures,) * len(_SIGNATURES),
            self.machines,
            self.sources,
            self.addresses,
            self.subnets,
        )
        self._place_of: dict[Hashable, int] = {}
        self._free: list[int] = []
        self._make_room(_LEAST_ROOM)

    def _make_room(self, room: int) -> None:
        self.codes: Codes = np.full((len(_WORDS), room), MISSING, dtype=np.int32)
        self.at_s: Reals = np.zeros(room)
        self.waits: Reals = np.full(room, np.nan)
        # Whether it went well, whether it came past the stage of a slow address, whether it is there at all.
        self.well, self.past, self.there = (np.zeros(room, dtype=np.bool_) for _ in range(3))

    @classmethod
    def of(cls, boots: Iterable[Boot]) -> Shelf:
        """A shelf of these."""
        shelf = cls()
        shelf.change(dict(enumerate(boots)))
        return shelf

    def change(self, changed: Mapping[Hashable, Boot | None]) -> list[int]:
        """Put these boots in the places of what had their keys, and take out those that are None; the new places."""
        for key in changed.keys() & self._place_of.keys():
            place = self._place_of.pop(key)
            self.boots[place] = None
            self.there[place] = False
            self._free.append(place)
        new = {key: boot for key, boot in changed.items() if boot is not None}
        places = [self._take_place() for _ in new]
        if places:
            self._place_of.update(zip(new, places, strict=True))
            self._fill(np.array(places, dtype=np.int64), list(new.values()))
        return places

    def _take_place(self) -> int:
        if self._free:
            return self._free.pop()
        self.boots.append(None)
        return len(self.boots) - 1

    def _fill(self, places: Places, boots: Sequence[Boot]) -> None:
        self._grow()
        for place, boot in zip(places.tolist(), boots, strict=True):
            self.boots[place] = boot
        for number, (said, words) in enumerate(zip(_WORDS, self._words, strict=True)):
            self.codes[number, places] = words.codes(map(said, boots))
        self.at_s[places] = [boot.at_s for boot in boots]
        waits = [boot.link_to_address_s for boot in boots]
        self.waits[places] = [np.nan if wait_s is None else wait_s for wait_s in waits]
        self.well[places] = [boot.healthy or boot.outcome in ("healthy", "warning") for boot in boots]
        self.past[places] = [came_past(boot, SLOW) for boot in boots]
        self.there[places] = True
        for name in {name for boot in boots for name in boot.attributes} - self.attributes.keys():
            self.attributes[name] = Attribute(len(self.at_s))
        for name, attribute in self.attributes.items():
            attribute.codes[places] = attribute.words.codes(boot.attributes.get(name, "") for boot in boots)

    def _grow(self) -> None:
        more = len(self.boots) - len(self.at_s)
        if more <= 0:
            return
        more = max(more, len(self.at_s))
        self.codes = np.concatenate((self.codes, np.full((len(_WORDS), more), MISSING, dtype=np.int32)), axis=1)
        self.at_s, self.waits = (np.concatenate((kept, np.zeros(more))) for kept in (self.at_s, self.waits))
        nothing = np.zeros(more, dtype=np.bool_)
        self.well, self.past, self.there = (np.concatenate((k, nothing)) for k in (self.well, self.past, self.there))
        for attribute in self.attributes.values():
            attribute.codes = np.concatenate((attribute.codes, np.full(more, MISSING, dtype=np.int32)))

    @property
    def is_stale(self) -> bool:
        """Whether far more words are kept than boots can have."""
        words = [*self._words[len(_SIGNATURES) :], *(attribute.words for attribute in self.attributes.values())]
        most = max(_STALE_AT_LEAST, _STALE * len(self._place_of))
        return any(len(each.names) > most for each in words) or len(self.boots) > most

    def anew(self) -> Shelf:
        """The same boots on a shelf that has nothing else."""
        shelf = Shelf()
        shelf.change({key: self.boots[place] for key, place in self._place_of.items()})
        return shelf

    def ordered(self) -> Places:
        """Places of the boots that are there, in order of time; of one moment in order of their reports."""
        places = np.flatnonzero(self.there)
        places = places[np.argsort(self.at_s[places], kind="stable")]
        times = self.at_s[places]
        same = np.flatnonzero(times[1:] == times[:-1])
        if len(same):
            tied = np.union1d(same, same + 1)
            rows = sorted(places[tied].tolist(), key=lambda place: (self.at_s[place], self._report_id(place)))
            places[tied] = rows
        return places

    def _report_id(self, place: int) -> str:
        boot = self.boots[place]
        return boot.report_id if boot is not None else ""


def count_distinct(codes: npt.NDArray[np.int32]) -> int:
    """How many numbers these are, MISSING left out."""
    return int(np.count_nonzero(np.bincount(codes + 1)[1:])) if len(codes) else 0
