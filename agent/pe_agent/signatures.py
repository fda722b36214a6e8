"""Which marks convict which cause? The rows of signatures/*.toml, checked once at the border."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from pe_agent.conditions import Conditions, read_conditions
from pe_agent.errors import UsageError
from pe_agent.model import Owner, Status
from pe_agent.toml_row import Row


class Stage(IntEnum):
    """How far along the way to a Windows a cause sits; an earlier one explains a later one."""

    LINK = 1
    ADDRESS = 2
    TARGET = 3
    ROUTE = 4
    PORTS = 5
    SERVICE = 6
    IMAGE = 7
    LOG = 8


class Mark(StrEnum):
    """How well a row's meaning is known."""

    VERIFIED = "verified"
    INFERRED = "inferred"
    FROM_MEMORY = "from-memory"


@dataclass(frozen=True, slots=True)
class Signature:
    """A cause and its marks. `explains` names findings that this one is the cause of."""

    id: str
    title: Template
    advice: Template
    owner: Owner
    status: Status
    stage: Stage
    confidence: float
    source: str
    mark: Mark
    when: Conditions
    explains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Marks that exclude the cause with this id."""

    id: str
    title: Template
    because: Template
    source: str
    mark: Mark
    when: Conditions


@dataclass(frozen=True, slots=True)
class SignatureSet:
    """All rows of one file, and the SHA-256 of that file."""

    signatures: tuple[Signature, ...]
    exclusions: tuple[Exclusion, ...]
    sha256: bytes = field(repr=False)

    @property
    def rows(self) -> tuple[Signature | Exclusion, ...]:
        """Both kinds."""
        return (*self.signatures, *self.exclusions)


def load(path: Path | None = None) -> SignatureSet:
    """The rows of a file; without one, those that came with the agent.

    Raises:
        UsageError: the file is not there, no TOML, or a row is not understood; it names the row and the key.
    """
    if path is None:
        return parse_all(_own_files())
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as exc:
        raise UsageError(f"{path}: cannot be read: {exc.strerror}") from exc


def parse(octets: bytes, name: str) -> SignatureSet:
    """The rows in TOML text; `name` is what errors call the file.

    Raises:
        UsageError: it is no TOML, or a row is not understood.
    """
    return parse_all([(name, octets)])


def parse_all(files: Sequence[tuple[str, bytes]]) -> SignatureSet:
    """The rows of several files (name, octets) as one set; their SHA-256 is that of all octets in this order.

    Raises:
        UsageError: one is no TOML, or a row is not understood.
    """
    signatures: list[Signature] = []
    exclusions: list[Exclusion] = []
    for name, octets in files:
        document = _document(octets, name)
        signatures += (_signature(Row(name, n, row)) for n, row in enumerate(document.get("signature", []), 1))
        exclusions += (_exclusion(Row(name, n, row)) for n, row in enumerate(document.get("excluded", []), 1))
    _check_names(", ".join(name for name, _ in files), tuple(signatures), tuple(exclusions))
    sha256 = hashlib.sha256(b"".join(octets for _, octets in files)).digest()
    return SignatureSet(tuple(signatures), tuple(exclusions), sha256)


def _own_files() -> list[tuple[str, bytes]]:
    folder = resources.files("pe_agent").joinpath("signatures")
    themes = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return [(file.name, file.read_bytes()) for file in themes]


def _document(octets: bytes, name: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(octets.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{name}: no TOML: {exc}") from exc
    unknown = sorted(document.keys() - {"signature", "excluded"})
    if unknown:
        raise UsageError(f"{name}: unknown table {unknown[0]!r}; there are [[signature]] and [[excluded]]")
    return document


def _check_names(name: str, signatures: tuple[Signature, ...], exclusions: tuple[Exclusion, ...]) -> None:
    ids = {row.id for row in signatures}
    if len(ids) < len(signatures):
        twice = next(row.id for row in signatures if [s.id for s in signatures].count(row.id) > 1)
        raise UsageError(f"{name}: signature {twice!r} stands there twice")
    for row in exclusions:
        if row.id not in ids:
            raise UsageError(f"{name}: excluded {row.id!r}: no signature has this id")


def _signature(row: Row) -> Signature:
    stage = row.text("stage")
    if stage.upper() not in Stage.__members__:
        known = ", ".join(name.lower() for name in Stage.__members__)
        raise UsageError(f"{row.where}: stage {stage!r} is none of {known}")
    signature = Signature(
        id=row.text("id"),
        title=row.template("title"),
        advice=row.template("advice"),
        owner=row.word("owner", Owner),
        status=row.word("status", Status),
        stage=Stage[stage.upper()],
        confidence=row.share("confidence"),
        source=row.text("source"),
        mark=row.word("mark", Mark),
        when=read_conditions(row),
        explains=frozenset(row.texts("explains")),
    )
    row.done()
    return signature


def _exclusion(row: Row) -> Exclusion:
    exclusion = Exclusion(
        id=row.text("id"),
        title=row.template("title"),
        because=row.template("because"),
        source=row.text("source"),
        mark=row.word("mark", Mark),
        when=read_conditions(row),
    )
    row.done()
    return exclusion
