"""Which failures can be one fault, and what does a failure say about the stages after it? Rows of nodes.toml."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pe_agent.errors import UsageError

_TABLES = {"stage": frozenset({"name", "signatures"}), "class": frozenset({"name", "signatures"})}


@dataclass(frozen=True, slots=True)
class Node:
    """A signature, or a class of them that one fault can show as."""

    name: str
    signatures: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stages:
    """`order` maps a signature to its stage, 0 the earliest; one without a row stands at the `last`.

    `class_cost` is what it costs to say a class rather than one signature: nothing where classes are known beforehand.
    """

    order: Mapping[str, int]
    last: int
    classes: tuple[Node, ...] = ()
    names: tuple[str, ...] = ()
    class_cost: float = 0.0

    def of(self, signature: str) -> int:
        """The stage at which a boot with this signature stopped."""
        return self.order.get(signature, self.last)

    def nodes(self, signatures: Sequence[str]) -> tuple[Node, ...]:
        """What to search for among these signatures: each one, and each class that holds two of them."""
        present = frozenset(signatures)
        singles = [Node(signature, frozenset({signature})) for signature in sorted(present)]
        classes = {c.signatures & present: c.name for c in reversed(self.classes) if len(c.signatures & present) > 1}
        return (*(Node(name, members) for members, name in classes.items()), *singles)

    def kin(self, signatures: frozenset[str]) -> frozenset[str]:
        """Signatures that stand in a class with one of these."""
        return frozenset().union(*(c.signatures for c in self.classes if c.signatures & signatures))

    def connected(self, signatures: frozenset[str]) -> frozenset[str]:
        """These, and all that a chain of classes leads to from them: what explains the others says nothing of them."""
        wider = signatures | self.kin(signatures)
        return wider if wider == signatures else self.connected(wider)


NO_STAGES = Stages({}, 0)


@functools.cache
def stages() -> Stages:
    """The rows of the file that comes with this program."""
    return parse(resources.files(__package__).joinpath("nodes.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Stages:
    """Stages in the order they stand, and classes.

    Raises:
        UsageError: a table or key that is not known, or a signature at two stages.
    """
    document = tomllib.loads(text)
    for table, rows in document.items():
        _check(table, rows)
    order: dict[str, int] = {}
    for place, row in enumerate(document.get("stage", [])):
        for signature in row["signatures"]:
            if order.setdefault(signature, place) != place:
                raise UsageError(f"signature {signature} stands at two stages")
    classes = tuple(Node(row["name"], frozenset(row["signatures"])) for row in document.get("class", []))
    names = tuple(row["name"] for row in document.get("stage", []))
    return Stages(order, max(0, len(names) - 1), classes, names)


def _check(table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if table not in _TABLES:
        raise UsageError(f"nodes: unknown table {table!r}")
    for row in rows:
        if set(row) != _TABLES[table]:
            raise UsageError(f"{table} {row.get('name', '?')}: needs name and signatures, and nothing else")
