"""What has this boot in common with others? Names and values, each by a row of attributes.toml."""

from __future__ import annotations

import functools
import ipaddress
import operator
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pe_agent.errors import UsageError
from pe_protos.v1 import report_pb2 as pb

_KEYS = frozenset({"name", "probe", "fact", "with", "from"})
SUBNET = "subnet"
Observed = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """Where a value comes from: a fact of a probe's answer, or a field (`source`) of the hello."""

    name: str
    probe: str = ""
    fact: str = ""
    beside: str = ""
    source: str = ""


def attributes_of(hello: pb.Hello, observed: Observed) -> dict[str, str]:
    """All attributes that are known. `observed` holds (probe, facts) in the order they came."""
    found: dict[str, str] = {}
    for row in rows():
        value = _fact(row, observed) if row.probe else _field(row, hello, found)
        if value:
            found.setdefault(row.name, value)
    return found


@functools.cache
def rows() -> tuple[AttributeRow, ...]:
    """The rows of the file that comes with this program."""
    return parse(resources.files(__package__).joinpath("attributes.toml").read_text(encoding="utf-8"))


@functools.cache
def probes() -> frozenset[str]:
    """The probes whose answers can hold an attribute."""
    return frozenset(row.probe for row in rows() if row.probe)


def parse(text: str) -> tuple[AttributeRow, ...]:
    """Rows from TOML.

    Raises:
        UsageError: a row with an unknown key, or one that names no source.
    """
    return tuple(_row(table) for table in tomllib.loads(text)["attribute"])


@functools.lru_cache(maxsize=16_384)
def subnet_of(address: str, prefix_length: str) -> str:
    """`10.10.1.0/24`; empty when the two make no network."""
    try:
        return str(ipaddress.ip_network(f"{address}/{prefix_length}", strict=False))
    except ValueError:
        return ""


def _row(table: Mapping[str, str]) -> AttributeRow:
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise UsageError(f"attribute {table.get('name', '?')}: unknown key {unknown[0]!r}")
    row = AttributeRow(
        table["name"], table.get("probe", ""), table.get("fact", ""), table.get("with", ""), table.get("from", "")
    )
    if bool(row.probe and row.fact) == bool(row.source):
        raise UsageError(f"attribute {row.name}: needs either probe and fact, or from")
    return row


def _fact(row: AttributeRow, observed: Observed) -> str:
    for probe, facts in observed:
        if probe == row.probe and row.fact in facts and (not row.beside or row.beside in facts):
            return _text(facts[row.fact])
    return ""


def _field(row: AttributeRow, hello: pb.Hello, found: Mapping[str, str]) -> str:
    if row.source == SUBNET:
        return subnet_of(found.get("address", ""), found.get("prefix_length", ""))
    return str(_getter(row.source)(hello))


@functools.cache
def _getter(source: str) -> Callable[[pb.Hello], object]:
    return operator.attrgetter(source)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
