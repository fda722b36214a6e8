"""Which marks convict which cause? The rows of signatures.toml and signatures/*.toml, checked once at the border."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from pe_agent.errors import UsageError
from pe_agent.model import FactValue, Observation, Outcome, Owner, Reason, Status
from pe_agent.panther import LogRecord
from pe_agent.readers.formats import FORMAT_NAMES, format_name
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
class FactTest:
    """A condition on one fact; a fact that is missing fails every test."""

    name: str
    operator: str
    value: Any

    def holds(self, facts: Mapping[str, FactValue]) -> bool:
        """Whether these facts meet it."""
        return self.name in facts and _OPERATORS[self.operator](facts[self.name], self.value)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold, all of it. Empty means: not asked. `log` is a row about log records, `probe` about probes."""

    log: tuple[re.Pattern[str], ...] = ()
    literals: tuple[bytes, ...] = ()
    codes: frozenset[int] = frozenset()
    components: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    probe: str = ""
    outcomes: frozenset[Outcome] = frozenset()
    reasons: frozenset[Reason] = frozenset()
    facts: tuple[FactTest, ...] = ()

    def match_record(self, record: LogRecord) -> bool:
        """Whether a log record meets them; never for a row about a probe."""
        return (
            any(pattern.search(record.text) for pattern in self.log)
            and (not self.codes or record.code in self.codes)
            and (not self.components or record.component in self.components)
            and (not self.formats or format_name(record) in self.formats)
        )

    def match_observation(self, observation: Observation) -> bool:
        """Whether a probe's answer meets them; never for a row about logs."""
        return (
            self.probe == observation.probe
            and (not self.outcomes or observation.outcome in self.outcomes)
            and (not self.reasons or observation.reason in self.reasons)
            and all(test.holds(observation.facts) for test in self.facts)
        )


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
    package = resources.files("pe_agent")
    themes = sorted(package.joinpath("signatures").iterdir(), key=lambda file: file.name)
    files = [package.joinpath("signatures.toml"), *(file for file in themes if file.name.endswith(".toml"))]
    return [(file.name, file.read_bytes()) for file in files]


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
        when=_conditions(row),
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
        when=_conditions(row),
    )
    row.done()
    return exclusion


def _conditions(row: Row) -> Conditions:
    patterns = row.texts("log")
    conditions = Conditions(
        log=tuple(row.pattern(pattern) for pattern in patterns),
        literals=tuple(row.literal(pattern) for pattern in patterns),
        codes=frozenset(row.code(text) for text in row.texts("code")),
        components=frozenset(row.texts("component")),
        formats=_formats(row),
        probe=next(iter(row.texts("probe")), ""),
        outcomes=row.words("outcome", Outcome),
        reasons=row.words("reason", Reason),
        facts=tuple(FactTest(*test) for test in row.tests("fact", _OPERANDS)),
    )
    if bool(conditions.log) == bool(conditions.probe):
        raise UsageError(f"{row.where}: a row has either log or probe")
    about_log = conditions.codes or conditions.components or conditions.formats
    about_probe = conditions.outcomes or conditions.reasons or conditions.facts
    if (conditions.probe and about_log) or (conditions.log and about_probe):
        raise UsageError(f"{row.where}: format, code and component go with log; outcome, reason and fact go with probe")
    return conditions


def _formats(row: Row) -> frozenset[str]:
    formats = frozenset(row.texts("format"))
    for name in sorted(formats - FORMAT_NAMES):
        raise UsageError(f"{row.where}: format {name!r} is none of {', '.join(sorted(FORMAT_NAMES))}")
    return formats


def _is_number(value: FactValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_OPERATORS: dict[str, Callable[[FactValue, Any], bool]] = {
    "eq": lambda fact, value: type(fact) is type(value) and fact == value,
    "in": lambda fact, values: fact in values,
    "lt": lambda fact, value: _is_number(fact) and fact < value,
    "gt": lambda fact, value: _is_number(fact) and fact > value,
}
_OPERANDS: dict[str, tuple[type, ...]] = {
    "eq": (str, int, float, bool),
    "in": (list,),
    "lt": (int, float),
    "gt": (int, float),
}
