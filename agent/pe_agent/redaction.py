"""Where in these octets are secrets? The rows of redaction.toml, and one pure function that looks for them."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

_FLAGS = re.IGNORECASE | re.MULTILINE


@dataclass(frozen=True, slots=True)
class Rule:
    """The last group of `pattern` that takes part is a secret; it is tried on lines with a literal or a quick match."""

    id: str
    pattern: re.Pattern[bytes]
    literals: tuple[bytes, ...] = ()
    quick: tuple[re.Pattern[bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Group 1 of `secret` is one, wherever it is met between `begin` and `end`."""

    id: str
    literals: tuple[bytes, ...]
    begin: re.Pattern[bytes]
    end: re.Pattern[bytes]
    secret: re.Pattern[bytes]
    most_octets: int


@dataclass(frozen=True, slots=True)
class Rules:
    """All rows. A value that `keep` matches whole is no secret; `harmless` words are not looked at."""

    keep: re.Pattern[bytes]
    harmless: tuple[bytes, ...]
    rules: tuple[Rule, ...]
    sections: tuple[Section, ...]

    def marks(self) -> tuple[bytes, ...]:
        """Patterns, in lower case, of which a line with a secret meets one: escaped literals and quick patterns."""
        rows: tuple[Rule | Section, ...] = (*self.rules, *self.sections)
        literals = {literal for row in rows for literal in row.literals}
        quick = {pattern.pattern for rule in self.rules for pattern in rule.quick}
        return (*sorted(map(re.escape, literals)), *sorted(quick))

    def lower(self, octets: bytes) -> bytes:
        """The octets to look for literals in."""
        low = octets.lower()
        for word in self.harmless:
            low = low.replace(word, b" " * len(word))
        return low


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A secret, from `start` up to `end`."""

    start: int
    end: int
    rule: str


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A section whose end has not come yet; `left` octets later it counts as ended."""

    section: Section
    left: int


@functools.cache
def load_rules() -> Rules:
    """The rows that came with the program."""
    document = tomllib.loads(resources.files("pe_agent").joinpath("redaction.toml").read_text(encoding="utf-8"))
    return Rules(
        keep=re.compile(document["keep"].encode("ascii"), re.IGNORECASE),
        harmless=_literals(document["harmless"]),
        rules=tuple(map(_rule, document["rule"])),
        sections=tuple(map(_section, document["section"])),
    )


def find_secrets(
    octets: bytes, unclosed: Unclosed | None, met: frozenset[bytes] | None = None
) -> tuple[list[Span], Unclosed | None]:
    """Secrets in order, none inside another, and the section that goes on after these octets.

    `unclosed` is what the octets before left open. Lines that go on after the end are not waited for. Who knows
    beforehand which of `Rules.marks` can be met at all names them in `met`; the others are not looked for.
    """
    table = load_rules()
    low = table.lower(octets)
    marks = _Marks(low, met)
    found = [span for rule in table.rules if marks.any_of(rule) for span in _by_rule(rule, octets, marks)]
    likely = [s for s in table.sections if any(map(marks.has, s.literals))]
    inside, unclosed = _in_sections(likely, octets, unclosed)
    kept = (s for s in (*found, *inside) if not table.keep.fullmatch(octets, s.start, s.end))
    return list(_apart(sorted(kept, key=lambda s: (s.start, -s.end)))), unclosed


class _Marks:
    """Where literals and quick patterns are met; each is looked for once, however many rules name it."""

    def __init__(self, low: bytes, met: frozenset[bytes] | None) -> None:
        self._low = low
        self._possible = met
        self._literals: dict[bytes, bool] = {}
        self._quick: dict[re.Pattern[bytes], tuple[int, ...]] = {}

    def has(self, literal: bytes) -> bool:
        if literal not in self._literals:
            self._literals[literal] = self._can_be(re.escape(literal)) and literal in self._low
        return self._literals[literal]

    def any_of(self, rule: Rule) -> bool:
        return any(map(self.has, rule.literals)) or any(map(self._met, rule.quick))

    def lines(self, rule: Rule) -> set[int]:
        """Where the lines begin that a rule is to be tried on."""
        places = [at for pattern in rule.quick for at in self._met(pattern)]
        for literal in filter(self.has, rule.literals):
            at = self._low.find(literal)
            while at >= 0:
                places.append(at)
                at = self._low.find(literal, at + len(literal))
        return {self._low.rfind(b"\n", 0, at) + 1 for at in places}

    def _met(self, pattern: re.Pattern[bytes]) -> tuple[int, ...]:
        if pattern not in self._quick:
            matches = pattern.finditer(self._low) if self._can_be(pattern.pattern) else ()
            self._quick[pattern] = tuple(match.start() for match in matches)
        return self._quick[pattern]

    def _can_be(self, mark: bytes) -> bool:
        return self._possible is None or mark in self._possible


def _by_rule(rule: Rule, octets: bytes, marks: _Marks) -> Iterator[Span]:
    for start in marks.lines(rule):
        end = octets.find(b"\n", start)
        for match in rule.pattern.finditer(octets, start, len(octets) if end < 0 else end + 1):
            yield Span(*match.span(match.lastgroup or 0), rule.id)


def _in_sections(
    likely: Sequence[Section], octets: bytes, unclosed: Unclosed | None
) -> tuple[list[Span], Unclosed | None]:
    found: list[Span] = []
    at = 0
    while unclosed is not None or likely:
        if unclosed is None:
            begins = [(match.end(), n) for n, s in enumerate(likely) if (match := s.begin.search(octets, at))]
            if not begins:
                break
            at, number = min(begins)
            unclosed = Unclosed(likely[number], likely[number].most_octets)
        section, until = unclosed.section, min(len(octets), at + unclosed.left)
        ended = section.end.search(octets, at, until)
        stop = ended.start() if ended else until
        found += (Span(*match.span(1), section.id) for match in section.secret.finditer(octets, at, stop) if match[1])
        if not ended and until == len(octets):
            return found, Unclosed(section, max(1, unclosed.left - (until - at)))
        at, unclosed = stop, None
    return found, None


def _apart(spans: Iterable[Span]) -> Iterator[Span]:
    """Of spans that overlap the first; what a later one has beyond it is its own."""
    end = 0
    for span in spans:
        if span.end > max(end, span.start):
            yield Span(max(span.start, end), span.end, span.rule)
            end = span.end


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(
        id=row["id"],
        pattern=_pattern(row["pattern"]),
        literals=_literals(row.get("literals", ())),
        quick=tuple(re.compile(text.encode("ascii")) for text in row.get("quick", ())),
    )


def _section(row: Mapping[str, Any]) -> Section:
    return Section(
        id=row["id"],
        literals=_literals(row["literals"]),
        begin=_pattern(row["begin"]),
        end=_pattern(row["end"]),
        secret=_pattern(row["secret"]),
        most_octets=row["most_octets"],
    )


def _pattern(text: str) -> re.Pattern[bytes]:
    return re.compile(text.encode("ascii"), _FLAGS)


def _literals(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(text.encode("ascii") for text in texts)
