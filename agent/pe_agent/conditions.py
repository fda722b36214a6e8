"""What must hold for a row of the signatures? Conditions on log records and on what probes answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pe_agent.errors import UsageError
from pe_agent.model import FactValue, Observation, Outcome, Reason
from pe_agent.readers.formats import FORMAT_NAMES, format_name
from pe_agent.readers.record import LogRecord
from pe_agent.toml_row import Row


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
    """What must hold, all of it. Empty means: not asked. `log` and `events` are about logs, `probe` about probes.

    With `unless` the record counts only when no record of the same log, read to its end, matches that.
    """

    log: tuple[re.Pattern[str], ...] = ()
    literals: tuple[bytes, ...] = ()
    codes: frozenset[int] = frozenset()
    events: frozenset[str] = frozenset()
    components: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    unless: re.Pattern[str] | None = None
    unless_literal: bytes = b""
    probe: str = ""
    outcomes: frozenset[Outcome] = frozenset()
    reasons: frozenset[Reason] = frozenset()
    facts: tuple[FactTest, ...] = ()

    @property
    def about_logs(self) -> bool:
        """Whether they are about log records."""
        return bool(self.log or self.events)

    @property
    def needles(self) -> frozenset[bytes]:
        """Words in lower case; the octets of a record that meets the conditions hold one of them."""
        if self.codes:
            return frozenset(f"0x{code:x}".encode() for code in self.codes)
        return frozenset(self.literals or (name.lower().encode() for name in self.components))

    def may_match(self, octets: bytes) -> bool:
        """Whether octets that hold a needle may hold a record that meets them: a quick no before columns are read."""
        return not self.events or any(number.encode() in octets for number in self.events)

    def match_record(self, record: LogRecord) -> bool:
        """Whether a log record meets them; never for a row about a probe."""
        return (
            self.about_logs
            and (not self.log or any(pattern.search(record.text) for pattern in self.log))
            and (not self.codes or record.code in self.codes)
            and (not self.events or record.message_id in self.events)
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


def read_conditions(row: Row) -> Conditions:
    """The conditions of a row.

    Raises:
        UsageError: one is not understood, or they do not go together.
    """
    patterns, unless = row.texts("log"), next(iter(row.texts("unless")), "")
    conditions = Conditions(
        log=tuple(row.pattern(pattern) for pattern in patterns),
        literals=tuple(row.literal(pattern) for pattern in patterns),
        codes=frozenset(row.code(text) for text in row.texts("code")),
        events=frozenset(str(row.code(text)) for text in row.texts("event")),
        components=frozenset(row.texts("component")),
        formats=_formats(row),
        unless=row.pattern(unless) if unless else None,
        unless_literal=row.literal(unless) if unless else b"",
        probe=next(iter(row.texts("probe")), ""),
        outcomes=row.words("outcome", Outcome),
        reasons=row.words("reason", Reason),
        facts=tuple(FactTest(*test) for test in row.tests("fact", _OPERANDS)),
    )
    _check(conditions, row.where)
    return conditions


def _check(conditions: Conditions, where: str) -> None:
    if conditions.about_logs == bool(conditions.probe):
        raise UsageError(f"{where}: a row has either log (or event) or probe")
    if conditions.events and not conditions.components:
        raise UsageError(f"{where}: an event's number says nothing without its component")
    about_log = conditions.codes or conditions.components or conditions.formats or conditions.unless
    about_probe = conditions.outcomes or conditions.reasons or conditions.facts
    if (conditions.probe and about_log) or (conditions.about_logs and about_probe):
        raise UsageError(
            f"{where}: format, code, component and unless go with log; outcome, reason and fact go with probe"
        )


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
