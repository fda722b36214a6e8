"""Which boots meet a condition? The table made ready for search: units weighed, gaps filled, rows listed by value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pe_collector.engine.addresses import PrefixRange
from pe_collector.engine.nodes import Node, Stages
from pe_collector.engine.table import HEALTHY, MISSING, Codes, Flags, Places, Reals, Table
from pe_collector.engine.units import filled_in, retries, weights

PREFIX = "prefix"
# What a column of that name is called here: the name alone stands for the prefix of the address.
PREFIX_COLUMN = "prefix column"
_AFTER_ALL_STAGES = 1 << 20
# A share of the rows smaller than one in so many is sorted sooner than all rows are looked through.
_SPARSE = 16
# Rows of conditions that are kept, at most: bounds the memory.
_MOST_KEPT = 1_000_000
_TWO_BYTES = 1 << 15
# Multiples of it, whole parts left out, lie evenly between 0 and 1.
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One condition: the code of the attribute lies between `low` and `high` (excluded). A prefix holds many ranks."""

    attribute: str
    low: int
    high: int


Condition = tuple[Item, ...]


class Ground:
    """A table and what never changes while it is searched."""

    def __init__(self, table: Table, stages: Stages, retry_s: float) -> None:
        again = retries(table, retry_s)
        self.table = filled_in(_with_own_prefix(table))
        self.stages = stages
        self.weights = weights(table, again)
        self.failed: Places = np.flatnonzero(self.weights > 0)
        self.ok: Flags = table.outcomes == HEALTHY
        self.counts: Reals = np.ones(table.size) if table.counts is None else np.where(self.ok, table.counts, 1.0)
        self.healthy: Places = np.flatnonzero(self.ok)
        self.stage = self._stage_of_rows(again)
        self.codes: dict[str, Codes] = {name: column.codes for name, column in self.table.columns.items()}
        self.prefixes: dict[tuple[int, int], PrefixRange] = {}
        if self.table.addresses is not None:
            self.codes[PREFIX] = self.table.addresses.ranks
        self._ordered: dict[str, tuple[Places, Places]] = {}
        self._passed: dict[frozenset[str], Flags] = {}
        self._rows: dict[Condition, Places] = {}
        self._kept = 0

    def _stage_of_rows(self, again: Flags) -> Codes:
        """How far each boot got; a retry got nowhere, so that it is no evidence."""
        of_signature = [self.stages.of(signature) for signature in self.table.signatures]
        of_signature[HEALTHY] = _AFTER_ALL_STAGES
        stage = np.array(of_signature, dtype=np.int32)[self.table.outcomes]
        stage[again] = -1
        return stage

    def signature_codes(self, node: Node) -> Codes:
        """Codes of the signatures of this node that occur."""
        names = self.table.signatures
        return np.array([n for n, name in enumerate(names) if name in node.signatures], dtype=np.int32)

    def shows(self, codes: Iterable[int]) -> Flags:
        """By row, whether the boot failed with one of these signatures, a retry too."""
        wanted = np.zeros(len(self.table.signatures), dtype=np.bool_)
        wanted[list(codes)] = True
        shown: Flags = wanted[self.table.outcomes]
        return shown

    def passed(self, node: Node) -> Flags:
        """The boots that were as likely as a healthy one to fail so, and did not.

        Those that got past the node's last stage, and those that failed at it in a way that no fault of this node
        shows as. Of those that failed so at an earlier one of its stages such a share as of its failures show up to
        there: where nearly every boot fails for another reason, the few left would look like a fault.
        """
        if node.signatures not in self._passed:
            self._passed[node.signatures] = self._passed_anew(node)
        return self._passed[node.signatures]

    def _passed_anew(self, node: Node) -> Flags:
        known = [self.stages.of(signature) for signature in node.signatures]
        own = self.stages.kin(node.signatures) | node.signatures
        kin = np.array([name in own for name in self.table.signatures])[self.table.outcomes]
        passed: Flags = (self.stage > max(known)) | ((self.stage == max(known)) & ~kin)
        return passed | self._partly_passed(node, kin, min(known), max(known)) if min(known) < max(known) else passed

    def _partly_passed(self, node: Node, kin: Flags, first: int, last: int) -> Flags:
        codes = self.signature_codes(node)
        stopped = self.stage[self.failed[self.shows(codes.tolist())[self.failed]]]
        shares = np.zeros(last + 1)
        if len(stopped):
            shares[first:] = np.searchsorted(np.sort(stopped), np.arange(first, last + 1), side="right") / len(stopped)
        between = (self.stage >= first) & (self.stage < last) & ~kin
        spread = np.arange(self.table.size) * _GOLDEN % 1.0
        return between & (spread < shares[np.clip(self.stage, 0, last)])

    def rows_of(self, item: Item) -> Places:
        """Rows that meet one condition, ascending."""
        order, starts = self._by_code(item.attribute)
        rows = order[starts[item.low] : starts[item.high]]
        if item.high == item.low + 1:
            return rows
        if len(rows) * _SPARSE < self.table.size:
            return np.sort(rows)
        codes = self.codes[item.attribute]
        return np.flatnonzero((codes >= item.low) & (codes < item.high))

    def rows_in(self, condition: Condition) -> Places:
        """Rows known to meet all of the conditions, ascending; not to be changed by who asks."""
        rows = self._rows.get(condition)
        if rows is None:
            rows = self._rows_anew(condition)
            if self._kept > _MOST_KEPT:
                self._rows.clear()
                self._kept = 0
            self._rows[condition] = rows
            self._kept += len(rows)
        return rows

    def _rows_anew(self, condition: Condition) -> Places:
        if not condition:
            return np.arange(self.table.size)
        lists = sorted(condition, key=self._count)
        rows = self.rows_of(lists[0])
        for item in lists[1:]:
            codes = self.codes[item.attribute][rows]
            rows = rows[(codes >= item.low) & (codes < item.high)]
        return rows

    def rows_maybe_in(self, condition: Condition, rows: Places) -> Places:
        """Those of the rows that meet all of the conditions as far as is known, and lack at least one attribute."""
        fits = np.ones(len(rows), dtype=np.bool_)
        lacks = np.zeros(len(rows), dtype=np.bool_)
        for item in condition:
            codes = self.codes[item.attribute][rows]
            missing = codes == MISSING
            fits &= missing | ((codes >= item.low) & (codes < item.high))
            lacks |= missing
        return rows[fits & lacks]

    def _count(self, item: Item) -> int:
        _, starts = self._by_code(item.attribute)
        return int(starts[item.high] - starts[item.low])

    def _by_code(self, name: str) -> tuple[Places, Places]:
        """Rows sorted by code, and where each code begins."""
        if name not in self._ordered:
            codes = self.codes[name]
            top = self._top(name)
            # Two bytes are sorted by counting, four by comparing.
            narrow = codes.astype(np.int16) if top < _TWO_BYTES else codes
            order = np.argsort(narrow, kind="stable")
            below = np.cumsum(np.bincount(codes + 1, minlength=top + 1))
            self._ordered[name] = order, below[: top + 1]
        return self._ordered[name]

    def _top(self, name: str) -> int:
        """One more than the largest code that a value or rank can have, occurring or not."""
        addresses = self.table.addresses
        if name == PREFIX and addresses is not None:
            return len(addresses.numbers)
        return len(self.table.columns[name].values)

    def machines(self, rows: Places) -> int:
        """How many distinct machines these rows are, by the mark that tells the fewest apart."""
        marks = (self.table.machines, *self.table.marks)
        return min(len(set(codes[rows].tolist())) for codes in marks)


def _with_own_prefix(table: Table) -> Table:
    if PREFIX not in table.columns:
        return table
    columns = {PREFIX_COLUMN if name == PREFIX else name: column for name, column in table.columns.items()}
    return replace(table, columns=columns)
