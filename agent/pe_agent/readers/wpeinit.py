"""What did wpeinit do? UTF-16; `Info      text` without a time, newer `2021-01-01 05:21:51.592, Info      text`."""

from __future__ import annotations

import re

from pe_agent.readers.record import Fields, code_in, line_grammar

_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
# The level is padded to ten columns and the text may be indented; in Setup's own logs a message id follows, or ten
# blanks in its place.
_LEVEL = r"Info {6}|Warning {3}|Error {5}"
_TEXT = r" {0,3}(?!\[0x)(?=\S)"
_BEGINS = rf"(?:{_STAMP}, )?(?:{_LEVEL}){_TEXT}"
_COLUMNS = re.compile(rf"(?:({_STAMP}), )?({_LEVEL}) {{0,3}}(.*)", re.DOTALL)


def _columns(text: str) -> Fields:
    match = _COLUMNS.fullmatch(text)
    if match is None:
        return Fields(text=text)
    time, level, message = match.groups()
    return Fields(time=time or "", level=level.strip(), code=code_in(message), text=message)


GRAMMAR = line_grammar(_BEGINS, _columns)
