"""What is likely before any boot is seen? The cost of a description, by the rows of priors.toml."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from pe_agent.errors import UsageError

_KEYS = {"name": str, "within": list, "same": str, "unlikely": list, "likely": list}
# In natural logarithms: for each item, and more or less for one on which that stage hardly ever or often depends.
ITEM_COST = 1.5
UNLIKELY_COST = 2.0
LIKELY_GAIN = 1.0


@dataclass(frozen=True, slots=True)
class AttributePrior:
    """One row: an attribute without one is as likely as any at each stage and lies in no other.

    Attributes:
        within: all that its values lie in, by way of others too.
    """

    name: str
    within: frozenset[str] = frozenset()
    same: str = ""
    unlikely: frozenset[str] = frozenset()
    likely_at: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Priors:
    """The attribute graph."""

    rows: Mapping[str, AttributePrior]

    def unlikely(self, attribute: str, stage: str) -> bool:
        """Whether failures at this stage hardly ever depend on it."""
        row = self.rows.get(attribute)
        return row is not None and stage in row.unlikely

    def likely(self, attribute: str, stage: str) -> bool:
        """Whether failures at this stage often depend on it."""
        row = self.rows.get(attribute)
        return row is not None and stage in row.likely_at

    def within(self, inner: str, outer: str) -> bool:
        """Whether each value of the inner attribute lies in one of the outer, by way of others too."""
        row = self.rows.get(inner)
        return row is not None and outer in row.within

    def redundant(self, one: str, other: str) -> bool:
        """Whether a condition with both attributes says no more than with one of them."""
        return one == other or self.within(one, other) or self.within(other, one)


NO_PRIORS = Priors({})


@functools.cache
def priors() -> Priors:
    """The rows of the file that comes with this program."""
    return parse(resources.files(__package__).joinpath("priors.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Priors:
    """The graph from TOML.

    Raises:
        UsageError: an unknown key, a value of the wrong type, or an attribute that has two rows.
    """
    rows: dict[str, AttributePrior] = {}
    for table in tomllib.loads(text).get("attribute", []):
        row = _row(table)
        if rows.setdefault(row.name, row) is not row:
            raise UsageError(f"priors: attribute {row.name} has two rows")
    return Priors({name: replace(row, within=_around(row, rows)) for name, row in rows.items()})


def _around(row: AttributePrior, rows: Mapping[str, AttributePrior]) -> frozenset[str]:
    """All that its values lie in, by way of others too."""
    further = (_around(rows[name], rows) for name in row.within if name in rows)
    return row.within.union(*further)


def _row(table: Mapping[str, Any]) -> AttributePrior:
    for key, value in table.items():
        if key not in _KEYS or not isinstance(value, _KEYS[key]):
            raise UsageError(f"priors: attribute {table.get('name', '?')}: {key!r} is not known or of the wrong type")
    within, unlikely, likely = (frozenset(table.get(key, [])) for key in ("within", "unlikely", "likely"))
    return AttributePrior(table["name"], within, table.get("same", ""), unlikely, likely)
