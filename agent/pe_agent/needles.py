"""Which of many words does a text hold? A quick no for nearly every text: logs are large, and say little."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

_LOWER = bytes(range(256)).lower()
# Most of a log: its commonest letters, digits, blanks and signs. What is left of a word tells that it is not there.
_COMMON = bytes(c for c in range(256) if chr(c).lower() in "aeiount" or not (chr(c).isalpha() or c == 0x2D) or c > 0x7F)
# Words that start alike are looked for together.
_START_OCTETS = 5
_NUMBER = re.compile(rb"0x([1-9a-f][0-9a-f]*)").fullmatch
_NUMBERS = re.compile(rb"0x0*([1-9a-f][0-9a-f]{2,7})").findall


def _squeezed(text: bytes) -> bytes:
    return text.translate(_LOWER, _COMMON)


def _front(words: list[bytes]) -> bytes:
    """What all of some sorted words begin with."""
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(words[0], words[-1], strict=False))
    return bytes(octet for octet, _ in alike)


class Needles:
    """Words (ASCII, lower case), looked for without regard to case; of `0x6ba` it does not matter how it is padded."""

    def __init__(self, words: Iterable[bytes]) -> None:
        numbers = {word: match[1] for word in words if (match := _NUMBER(word))}
        self._numbers = {digits: word for word, digits in numbers.items()}
        self._groups: dict[bytes, list[bytes]] = {}
        for word in sorted(set(words) - numbers.keys()):
            self._groups.setdefault(_squeezed(word)[:_START_OCTETS], []).append(word)
        self._fronts = {start: _front(group) for start, group in self._groups.items()}

    def found_in(self, text: bytes) -> frozenset[bytes]:
        """The words that the text holds."""
        lowered = text.lower()
        squeezed = _squeezed(text)
        numbers = set(_NUMBERS(lowered)) if self._numbers else set()
        found = {self._numbers[digits] for digits in self._numbers.keys() & numbers}
        for start, group in self._groups.items():
            if start in squeezed and _squeezed(self._fronts[start]) in squeezed and self._fronts[start] in lowered:
                found.update(word for word in group if word in lowered)
        return frozenset(found)
