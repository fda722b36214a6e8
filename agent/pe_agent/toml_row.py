"""What does one row of a table in TOML say? Each value checked where it is read, the row and key named in errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from string import Template
from typing import Any, TypeVar

from pe_agent.errors import UsageError

# A log pattern needs this many plain characters in a row: large files are searched for them first.
LEAST_LITERAL = 5

# An escaped sign stands for itself; while groups are looked for it hides in the private use area.
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_HIDDEN = 0xE000
_LITERAL = re.compile("(?:[A-Za-z0-9 _:,'=\ue000-\ue07f-](?![?*{]))+")
_GROUPS = re.compile(r"\[[^\]]*\]|\([^()]*\)")
_Word = TypeVar("_Word", bound=StrEnum)


class Row:
    """A row: hands out each value once, then names the keys nobody asked for. Every refusal is a UsageError."""

    def __init__(self, file: str, number: int, row: Mapping[str, Any]) -> None:
        self._left = dict(row)
        self.where = f"{file}: row {number} ({row.get('id', 'without id')})"

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self._left.pop(key, None)
        if not isinstance(value, str) or not value:
            raise UsageError(f"{self.where}: {key} is missing or no text")
        return value

    def template(self, key: str) -> Template:
        """A text with $names."""
        template = Template(self.text(key))
        if not template.is_valid():
            raise UsageError(f"{self.where}: {key} has a $ without a name; write $$ for the sign itself")
        return template

    def word(self, key: str, words: type[_Word]) -> _Word:
        """A word of a closed set that must be there."""
        return self._as_word(key, self.text(key), words)

    def words(self, key: str, words: type[_Word]) -> frozenset[_Word]:
        """A word or a list of words; empty when the key is absent."""
        return frozenset(self._as_word(key, text, words) for text in self.texts(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts; empty when the key is absent."""
        value = self._left.pop(key, [])
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) and text for text in values):
            raise UsageError(f"{self.where}: {key} is neither a text nor a list of texts")
        return tuple(values)

    def share(self, key: str) -> float:
        """A number above 0 and up to 1 that must be there."""
        value = self._left.pop(key, None)
        if not isinstance(value, (int, float)) or not 0 < value <= 1:
            raise UsageError(f"{self.where}: {key} is a number above 0 and up to 1")
        return float(value)

    def code(self, text: str) -> int:
        """A number as 0x800706BA or 1722."""
        try:
            return int(text, 0)
        except ValueError as exc:
            raise UsageError(f"{self.where}: code {text!r} is no number") from exc

    def pattern(self, text: str) -> re.Pattern[str]:
        """A regular expression; the case of letters is ignored."""
        try:
            return re.compile(text, re.IGNORECASE)
        except re.error as exc:
            raise UsageError(f"{self.where}: log {text!r} is no regular expression: {exc}") from exc

    def literal(self, text: str) -> bytes:
        """The longest run of plain characters that every match of a pattern holds, in lower case."""
        outside, before = _ESCAPED.sub(_hide, text), ""
        while outside != before:
            outside, before = _GROUPS.sub("\0", outside), outside
        longest = max(_LITERAL.findall(outside), key=len, default="")
        longest = "".join(chr(ord(c) - _HIDDEN) if ord(c) >= _HIDDEN else c for c in longest)
        if "|" in outside or len(longest) < LEAST_LITERAL:
            least = f"{LEAST_LITERAL} plain characters in a row, outside any choice"
            raise UsageError(f"{self.where}: log {text!r} needs {least}")
        return longest.lower().encode("ascii")

    def tests(self, key: str, operands: Mapping[str, tuple[type, ...]]) -> tuple[tuple[str, str, Any], ...]:
        """(name, operator, value) of each KEY.NAME.OPERATOR = VALUE."""
        value = self._left.pop(key, {})
        if not isinstance(value, dict) or not all(isinstance(row, dict) for row in value.values()):
            raise UsageError(f"{self.where}: write {key}.NAME.eq = VALUE (or in, lt, gt)")
        tests = tuple((name, op, operand) for name, row in value.items() for op, operand in row.items())
        for name, op, operand in tests:
            if not isinstance(operand, operands.get(op, ())):
                raise UsageError(f"{self.where}: {key}.{name}.{op} is not understood ({', '.join(operands)})")
        return tests

    def done(self) -> None:
        """Refuse what was not asked for."""
        if self._left:
            raise UsageError(f"{self.where}: unknown key {min(self._left)!r}")

    def _as_word(self, key: str, text: str, words: type[_Word]) -> _Word:
        try:
            return words(text)
        except ValueError as exc:
            raise UsageError(f"{self.where}: {key} {text!r} is none of {', '.join(words)}") from exc


def _hide(escaped: re.Match[str]) -> str:
    sign = escaped.group(1)
    return "\0" if sign.isalnum() or not sign.isascii() else chr(_HIDDEN + ord(sign))
