"""What does the engine work on? One row a boot, in order of time; values are small integers, -1 where not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pe_collector.engine.addresses import Addresses

Codes = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

MISSING = -1
HEALTHY = 0


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute: the code of each row, and what each code stands for."""

    codes: Codes
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Boots in order of time.

    Attributes:
        at_s: seconds, ascending.
        machines: code of the machine, one for each distinct machine.
        outcomes: 0 for healthy, else the place of the signature in `signatures`, whose first entry is empty.
        counts: how many healthy boots a row stands for; None: one each. A failed row is always one boot.
        marks: for each further mark of a machine (serial number, UUID, peer) its code by row, -1 where not known.
            Machines are as many as the mark with the fewest values says, and all without one count as one.
    """

    at_s: Reals
    machines: Codes
    outcomes: Codes
    signatures: tuple[str, ...]
    columns: Mapping[str, Column]
    addresses: Addresses | None = None
    machine_names: tuple[str, ...] = ()
    counts: Reals | None = None
    marks: tuple[Codes, ...] = ()

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.at_s)


@dataclass(frozen=True, slots=True)
class Row:
    """One boot as values. An empty signature is a healthy boot, an empty or absent value is not known.

    `marks` are what else tells the machine from others, always in the same order: a forger must vary all of them.
    """

    at_s: float
    machine: str
    signature: str = ""
    address: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()


def table_of(rows: Sequence[Row], subnets: Sequence[str] = ()) -> Table:
    """The table of these rows, in whatever order they come; `subnets` are prefixes that machines report."""
    ordered = sorted(rows, key=lambda row: (row.at_s, row.machine, row.signature))
    names = sorted({name for row in ordered for name in row.attributes})
    outcomes, signatures = encode([row.signature for row in ordered])
    machines, machine_names = encode([row.machine for row in ordered])
    return Table(
        at_s=np.array([row.at_s for row in ordered], dtype=np.float64),
        machines=machines,
        outcomes=(outcomes + 1).astype(np.int32),
        signatures=("", *signatures),
        columns={name: Column(*encode([row.attributes.get(name, "") for row in ordered])) for name in names},
        addresses=Addresses.of([row.address for row in ordered], subnets),
        machine_names=machine_names,
        marks=_marks(ordered),
    )


def taken(column: Column, rows: Places) -> Column:
    """The column of these rows; a value that none of them has is gone."""
    codes = column.codes[rows]
    known = np.flatnonzero(is_known(codes, len(column.values)))
    if len(known) == len(column.values):
        return Column(codes, column.values)
    place = np.full(len(column.values) + 1, MISSING, dtype=np.int32)
    place[known] = np.arange(len(known), dtype=np.int32)
    return Column(place[codes], tuple(column.values[code] for code in known.tolist()))


def is_known(codes: Codes, values: int) -> Flags:
    """By code below `values`, whether any row has it."""
    found: Flags = np.bincount(codes + 1, minlength=values + 1)[1:] > 0
    return found


def _marks(rows: Sequence[Row]) -> tuple[Codes, ...]:
    most = max((len(row.marks) for row in rows), default=0)
    padded = [(*row.marks, *("",) * (most - len(row.marks))) for row in rows]
    return tuple(encode([marks[n] for marks in padded])[0] for n in range(most))


def encode(values: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    """Codes in the order of the sorted distinct values; -1 for an empty one."""
    distinct = sorted(set(values) - {""})
    place = {value: n for n, value in enumerate(distinct)} | {"": MISSING}
    return np.array([place[value] for value in values], dtype=np.int32), tuple(distinct)
