"""How is one question over ten million boots answered in the memory and time of some ten thousand?

Boots become cells: five minutes, machine, outcome, address and attributes, and how many boots fell into the same
cell. Each hour keeps at most so many cells, the newer the hour the more. An hour that has too many keeps the boots of
every second machine, every fourth, ...: which, a hash of the machine decides, so that it is the same in whatever order
reports come. An old hour is the hour of a smaller fleet, and never surer than that. Failures are thinned one step less,
and healthy boots weigh two in return: with more steps between them, a few failures in a small subnet would look like
a fault because no healthy machine of it happened to be kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pe_collector.engine.addresses import Addresses
from pe_collector.engine.table import HEALTHY, MISSING, Codes, Column, Reals, Row, Table
from pe_collector.prefixes import parse_address

Cells = npt.NDArray[np.int64]
# Names sorted, and where each stands among them by its code.
_Sorted = tuple[tuple[str, ...], npt.NDArray[np.int64]]

BUCKET_S: Final = 300
_SPAN_S: Final = 3600
_BUFFER: Final = 4096
_MOST_VALUES: Final = 1 << 16
_MOST_LEVEL: Final = 40
# Columns before the attributes.
AT, MACHINE, MARK, OUTCOME, COUNT, HIGH, LOW = range(7)
FIRST_ATTRIBUTE: Final = 7
_MIX = np.uint64(0x9E3779B97F4A7C15)
_V4: Final = 0xFFFF << 32


@dataclass(frozen=True, slots=True)
class Limits:
    """How many cells an hour keeps.

    Attributes:
        cells: of healthy boots, and as many of failures, in each of the newest hours.
        newest_h: how many hours are newest; older ones keep fewer, by their age to the power of 3/2.
        least: cells of the oldest hours.
        hours: what is older is forgotten.
    """

    cells: int = 8192
    newest_h: int = 2
    least: int = 16
    hours: int = 24 * 60

    def most(self, age_h: int) -> int:
        """Cells that an hour of this age keeps."""
        return max(self.least, int(self.cells * min(1.0, self.newest_h / max(1, age_h)) ** 1.5))


class Rollup:
    """The cells of a stream of boots. A boot costs the same however many came before it."""

    def __init__(self, attributes: Sequence[str], limits: Limits | None = None) -> None:
        self.attributes = tuple(attributes)
        self.limits = limits or Limits()
        self.boots = 0
        self.forgotten = 0
        self.unnamed = 0
        self._values: list[dict[str, int]] = [{} for _ in self.attributes]
        self._sorted: list[_Sorted] = [_sorted_codes([])] * len(self.attributes)
        self._signatures: dict[str, int] = {}
        self._buffer: list[list[int]] = []
        self._hours: dict[int, tuple[Cells, Cells]] = {}
        self._levels: dict[int, int] = {}
        self._newest = 0

    def add(self, row: Row) -> None:
        """Take in one boot."""
        self._buffer.append(self._encoded(row))
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def add_cells(self, cells: Cells) -> None:
        """Take in boots already in the columns of a cell, one a row; codes as `code_of` and `signature_of` give."""
        self.boots += len(cells)
        hours = cells[:, AT] // _SPAN_S
        order = np.argsort(hours, kind="stable")
        cuts = np.flatnonzero(np.diff(hours[order])) + 1
        newest = max(self._newest, int(hours.max(initial=0)))
        for part in np.split(order, cuts):
            if len(part):
                self._add_to_hour(int(hours[part[0]]), cells[part], newest)
        if newest > self._newest:
            self._newest = newest
            self._age()

    def code_of(self, attribute: int, value: str) -> int:
        """The code of a value; of too many values the further ones count as not known."""
        known = self._values[attribute]
        if not value:
            return MISSING
        if value not in known and len(known) >= _MOST_VALUES:
            self.unnamed += 1
            return MISSING
        return known.setdefault(value, len(known))

    def signature_of(self, name: str) -> int:
        """The code of a signature; none: healthy."""
        return self._signatures.setdefault(name, len(self._signatures) + 1) if name else HEALTHY

    @property
    def cells(self) -> int:
        """How many are kept."""
        return sum(len(healthy) + len(failed) for healthy, failed in self._hours.values()) + len(self._buffer)

    def table(self) -> Table:
        """What is kept, as a table to search."""
        self._flush()
        parts, counts = [], []
        for hour, (healthy, failed) in sorted(self._hours.items()):
            parts += [healthy, failed]
            counts += [healthy[:, COUNT] * (2.0 if self._levels[hour] else 1.0), np.ones(len(failed))]
        nothing = np.zeros((0, FIRST_ATTRIBUTE + len(self.attributes)), dtype=np.int64)
        cells = np.concatenate([nothing, *parts])
        return self._table_of(cells, np.concatenate([np.zeros(0), *counts]))

    def _encoded(self, row: Row) -> list[int]:
        address = parse_address(row.address) if row.address else None
        number = 0 if address is None else address[1] | (_V4 if address[0] == 4 else 0)
        codes = [self.code_of(n, row.attributes.get(name, "")) for n, name in enumerate(self.attributes)]
        mark = digest(row.marks[0]) if row.marks else MISSING
        bucket = int(row.at_s // BUCKET_S) * BUCKET_S
        own = [bucket, digest(row.machine), mark, self.signature_of(row.signature), 1]
        return [*own, _signed(number >> 64), _signed(number & (1 << 64) - 1), *codes]

    def _flush(self) -> None:
        if self._buffer:
            cells = np.array(self._buffer, dtype=np.int64)
            self._buffer.clear()
            self.add_cells(cells)

    def _add_to_hour(self, hour: int, cells: Cells, newest: int) -> None:
        if newest - hour >= self.limits.hours:
            self.forgotten += len(cells)
            return
        width = cells.shape[1]
        kept = self._hours.get(hour, (np.zeros((0, width), dtype=np.int64),) * 2)
        level = self._levels.setdefault(hour, 0)
        is_failed = cells[:, OUTCOME] != HEALTHY
        new = cells[~is_failed], cells[is_failed]
        joined = [
            _merged(np.concatenate((old, _thinned(more, own))))
            for old, more, own in zip(kept, new, (level, level - 1), strict=True)
        ]
        self._hours[hour] = joined[0], joined[1]
        self._bound(hour, newest - hour)

    def _bound(self, hour: int, age_h: int) -> None:
        healthy, failed = self._hours[hour]
        most = self.limits.most(age_h)
        while max(len(healthy), len(failed)) > most and self._levels[hour] < _MOST_LEVEL:
            self._levels[hour] += 1
            healthy = _thinned(healthy, self._levels[hour])
            failed = _thinned(failed, self._levels[hour] - 1)
        self._hours[hour] = healthy, failed

    def _age(self) -> None:
        """All hours are older now: each keeps as much as its age allows."""
        for hour in list(self._hours):
            if self._newest - hour >= self.limits.hours:
                healthy, failed = self._hours.pop(hour)
                self._levels.pop(hour)
                self.forgotten += len(healthy) + len(failed)
            else:
                self._bound(hour, self._newest - hour)

    def _table_of(self, cells: Cells, counts: Reals) -> Table:
        signatures, of_signature = _sorted_codes(list(self._signatures))
        values_of = self._sorted_values()
        cells = cells.copy()
        cells[:, OUTCOME] = np.concatenate(([HEALTHY], of_signature + 1))[cells[:, OUTCOME]]
        for n, (_, place) in enumerate(values_of, FIRST_ATTRIBUTE):
            cells[:, n] = np.append(place, MISSING)[cells[:, n]]
        # Codes come in the order of the reports; only now does a cell look the same in whatever order they came.
        order = np.lexsort((_hash(cells[:, OUTCOME:]), cells[:, OUTCOME], cells[:, MACHINE], cells[:, AT]))
        cells, counts = cells[order], counts[order]
        names, machines = np.unique(cells[:, MACHINE], return_inverse=True)
        columns = {
            name: Column(cells[:, n].astype(np.int32), values_of[n - FIRST_ATTRIBUTE][0])
            for n, name in enumerate(self.attributes, FIRST_ATTRIBUTE)
        }
        return Table(
            at_s=cells[:, AT].astype(np.float64),
            machines=machines.astype(np.int32),
            outcomes=cells[:, OUTCOME].astype(np.int32),
            signatures=("", *signatures),
            columns=columns,
            addresses=_addresses(cells),
            machine_names=tuple(f"{name & (1 << 64) - 1:016x}" for name in names.tolist()),
            counts=counts,
            marks=_marks(cells),
        )

    def _sorted_values(self) -> list[_Sorted]:
        """The values of each attribute; sorted anew only where one came."""
        for n, values in enumerate(self._values):
            if len(self._sorted[n][0]) != len(values):
                self._sorted[n] = _sorted_codes(list(values))
        return self._sorted


def digest(text: str) -> int:
    """A machine or mark as a number of 63 bits that says nothing about it."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _marks(cells: Cells) -> tuple[Codes, ...]:
    """The second mark, if any report carries one."""
    if not len(cells) or bool((cells[:, MARK] == MISSING).all()):
        return ()
    known, codes = np.unique(cells[:, MARK], return_inverse=True)
    return ((codes - int(known[0] == MISSING)).astype(np.int32),)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _hash(columns: Cells) -> npt.NDArray[np.uint64]:
    """One number a row, the same for the same row."""
    mixed = np.zeros(len(columns), dtype=np.uint64)
    for column in columns.T:
        mixed = (mixed ^ column.astype(np.uint64)) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _thinned(cells: Cells, level: int) -> Cells:
    """The cells of one machine in 2 to the power of `level`."""
    if level <= 0 or not len(cells):
        return cells
    kept: Cells = cells[_hash(cells[:, MACHINE : MACHINE + 1]) >> np.uint64(64 - level) == 0]
    return kept


def _merged(cells: Cells) -> Cells:
    """Each cell once, with the sum of the counts."""
    own = np.delete(cells, COUNT, axis=1)
    _, first, place = np.unique(_hash(own), return_index=True, return_inverse=True)
    if len(first) == len(cells):
        return cells
    merged = cells[first]
    merged[:, COUNT] = np.bincount(place, weights=cells[:, COUNT]).astype(np.int64)
    return merged


def _sorted_codes(names: Sequence[str]) -> _Sorted:
    """The names sorted, and where each of the given ones stands among them."""
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.zeros(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return tuple(names[n] for n in order), place


def _addresses(cells: Cells) -> Addresses | None:
    known, place = np.unique(cells[:, [HIGH, LOW]], axis=0, return_inverse=True)
    return Addresses.of_distinct([_number(high, low) for high, low in known.tolist()], place.reshape(-1))


def _number(high: int, low: int) -> tuple[int, int] | None:
    """IP version and number; an IPv4 address stands in the low half behind a mark, zero is not known."""
    whole = (high & (1 << 64) - 1) << 64 | low & (1 << 64) - 1
    if not whole:
        return None
    return (4, whole & 0xFFFFFFFF) if whole >> 32 == _V4 >> 32 else (6, whole)
