"""Which boots meet a condition? The table made ready for search: units weighed, gaps filled, rows listed by value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pe_collector.engine.addresses import PrefixRange
from pe_collector.engine.nodes import Node, Stages
from pe_collector.engine.table import HEALTHY, MISSING, Codes, Flags, Places, Table
from pe_collector.engine.units import filled_in, retries, weights

PREFIX = "prefix"
_AFTER_ALL_STAGES = 1 << 20


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
        self.table = filled_in(table)
        self.stages = stages
        self.weights = weights(table, again)
        self.failed: Places = np.flatnonzero(self.weights > 0)
        self.ok: Flags = table.outcomes == HEALTHY
        self.stage = self._stage_of_rows(again)
        self.codes: dict[str, Codes] = {name: column.codes for name, column in self.table.columns.items()}
        self.prefixes: dict[tuple[int, int], PrefixRange] = {}
        if self.table.addresses is not None:
            self.codes[PREFIX] = self.table.addresses.ranks
        self._ordered: dict[str, tuple[Places, Places]] = {}

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

    def passed(self, node: Node) -> Flags:
        """The boots that were as likely as a healthy one to fail so, and did not.

        Those that got past the node's last stage, and those that failed at it in a way that no fault of this node
        shows as.
        """
        known = [self.stages.of(signature) for signature in node.signatures]
        own = self.stages.kin(node.signatures) | node.signatures
        kin = np.array([name in own for name in self.table.signatures])[self.table.outcomes]
        passed: Flags = (self.stage > max(known)) | ((self.stage == max(known)) & ~kin)
        return passed

    def rows_of(self, item: Item) -> Places:
        """Rows that meet one condition, ascending."""
        order, starts = self._by_code(item.attribute)
        rows = order[starts[item.low] : starts[item.high]]
        return rows if item.high == item.low + 1 else np.sort(rows)

    def rows_in(self, condition: Condition) -> Places:
        """Rows known to meet all of the conditions, ascending."""
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
            order = np.argsort(codes, kind="stable")
            self._ordered[name] = order, np.searchsorted(codes[order], np.arange(self._top(name) + 1))
        return self._ordered[name]

    def _top(self, name: str) -> int:
        """One more than the largest code that a value or rank can have, occurring or not."""
        addresses = self.table.addresses
        if name == PREFIX and addresses is not None:
            return len(addresses.numbers)
        return len(self.table.columns[name].values)

    def machines(self, rows: Places) -> int:
        """How many distinct machines these rows are."""
        return len(np.unique(self.table.machines[rows]))
