"""Where in these octets are secrets? The rows of redaction.toml, and one pure function that looks for them."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pe_agent.needles import Needles

_FLAGS = re.IGNORECASE | re.MULTILINE
_PIECE = re.compile(r"@([a-z]+)@")


@dataclass(frozen=True, slots=True)
class Rule:
    """The last group of `pattern` that takes part is a secret; it is tried on lines with a literal or a quick match.

    A line that lacks `also` is left out.
    """

    id: str
    pattern: re.Pattern[bytes]
    literals: tuple[bytes, ...] = ()
    quick: tuple[re.Pattern[bytes], ...] = ()
    also: bytes = b""


@dataclass(frozen=True, slots=True)
class Section:
    """The last group of `secret` that takes part is one, wherever it is met between `begin` and `end`."""

    id: str
    literals: tuple[bytes, ...]
    begin: re.Pattern[bytes]
    end: re.Pattern[bytes]
    secret: re.Pattern[bytes]
    most_octets: int
    also: bytes = b""


@dataclass(frozen=True, slots=True)
class Rules:
    """All rows. A value that `keep` matches whole is no secret; `harmless` words are not looked at."""

    keep: re.Pattern[bytes]
    harmless: tuple[bytes, ...]
    rules: tuple[Rule, ...]
    sections: tuple[Section, ...]

    def literals(self) -> frozenset[bytes]:
        """Those of all rows."""
        rows: tuple[Rule | Section, ...] = (*self.rules, *self.sections)
        return frozenset(literal for row in rows for literal in row.literals)

    def quick(self) -> frozenset[bytes]:
        """The quick patterns of all rows."""
        return frozenset(pattern.pattern for rule in self.rules for pattern in rule.quick)

    def marks(self) -> tuple[bytes, ...]:
        """Patterns, in lower case, of which a line with a secret meets one: escaped literals and quick patterns."""
        return (*sorted(map(re.escape, self.literals())), *sorted(self.quick()))

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
    pieces: Mapping[str, str] = document["piece"]
    return Rules(
        keep=_pattern(document["keep"], pieces),
        harmless=_literals(document["harmless"]),
        rules=tuple(_rule(row, pieces) for row in document["rule"]),
        sections=tuple(_section(row, pieces) for row in document["section"]),
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
    marks = _Marks(low, _possible(low) if met is None else met)
    found = [span for rule in table.rules for span in _by_rule(rule, octets, marks)]
    likely = [s for s in table.sections if any(map(marks.has, s.literals)) and s.also in low]
    inside, unclosed = _in_sections(likely, octets, unclosed)
    kept = (s for s in (*found, *inside) if not table.keep.fullmatch(octets, s.start, s.end))
    return list(_apart(sorted(kept, key=lambda s: (s.start, -s.end)))), unclosed


class _Marks:
    """The lines on which literals and quick patterns are met; each is looked for once, however many rules name it."""

    def __init__(self, low: bytes, possible: frozenset[bytes]) -> None:
        self._low = low
        self._possible = possible
        self._lines: dict[bytes | re.Pattern[bytes], frozenset[int]] = {}

    def has(self, literal: bytes) -> bool:
        return bool(self._of_literal(literal))

    def lines(self, rule: Rule) -> frozenset[int]:
        """Where the lines begin that a rule is to be tried on."""
        starts = frozenset[int]().union(*map(self._of_literal, rule.literals), *map(self._of_pattern, rule.quick))
        if not rule.also:
            return starts
        return frozenset(at for at in starts if self._low.find(rule.also, at, _line_end(self._low, at)) >= 0)

    def _of_literal(self, literal: bytes) -> frozenset[int]:
        if literal not in self._lines:
            self._lines[literal] = self._starts(self._places(literal) if re.escape(literal) in self._possible else ())
        return self._lines[literal]

    def _of_pattern(self, pattern: re.Pattern[bytes]) -> frozenset[int]:
        if pattern not in self._lines:
            matches = pattern.finditer(self._low) if pattern.pattern in self._possible else ()
            self._lines[pattern] = self._starts(match.start() for match in matches)
        return self._lines[pattern]

    def _starts(self, places: Iterable[int]) -> frozenset[int]:
        return frozenset(self._low.rfind(b"\n", 0, at) + 1 for at in places)

    def _places(self, literal: bytes) -> Iterator[int]:
        at = self._low.find(literal)
        while at >= 0:
            yield at
            at = self._low.find(literal, at + len(literal))


def _possible(low: bytes) -> frozenset[bytes]:
    """Marks without those whose literal is not there: cheaper than to look for each of them."""
    needles, quick = _search()
    return quick.union(map(re.escape, needles.found_in(low)))


@functools.cache
def _search() -> tuple[Needles, frozenset[bytes]]:
    table = load_rules()
    return Needles(table.literals()), table.quick()


def _by_rule(rule: Rule, octets: bytes, marks: _Marks) -> Iterator[Span]:
    for start in marks.lines(rule):
        for match in rule.pattern.finditer(octets, start, _line_end(octets, start)):
            yield Span(*match.span(match.lastgroup or 0), rule.id)


def _line_end(octets: bytes, start: int) -> int:
    return octets.find(b"\n", start) + 1 or len(octets)


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
        matches = (match for match in section.secret.finditer(octets, at, stop) if match.lastgroup)
        found += (Span(*match.span(match.lastgroup or 0), section.id) for match in matches)
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


def _rule(row: Mapping[str, Any], pieces: Mapping[str, str]) -> Rule:
    return Rule(
        id=row["id"],
        pattern=_pattern(row["pattern"], pieces),
        literals=_literals(row.get("literals", ())),
        quick=tuple(re.compile(text.encode("ascii")) for text in row.get("quick", ())),
        also=row.get("also", "").encode("ascii"),
    )


def _section(row: Mapping[str, Any], pieces: Mapping[str, str]) -> Section:
    return Section(
        id=row["id"],
        literals=_literals(row["literals"]),
        begin=_pattern(row["begin"], pieces),
        end=_pattern(row["end"], pieces),
        secret=_pattern(row["secret"], pieces),
        most_octets=row["most_octets"],
        also=row.get("also", "").encode("ascii"),
    )


def _pattern(text: str, pieces: Mapping[str, str]) -> re.Pattern[bytes]:
    """A pattern with its pieces put in, and theirs."""
    whole = text
    while named := _PIECE.search(whole):
        whole = whole.replace(named[0], pieces[named[1]])
    return re.compile(whole.encode("ascii"), _FLAGS)


def _literals(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(text.encode("ascii") for text in texts)
