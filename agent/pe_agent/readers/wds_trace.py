"""What did the WDS server trace? `[thread] HH:MM:SS: [Module] text` in %windir%\\Tracing; local time without a date."""

from __future__ import annotations

import re

from pe_agent.readers.record import Fields, code_in, line_grammar

_BEGINS = r"\[\d{1,10}\] \d\d:\d\d:\d\d: "
_COLUMNS = re.compile(r"\[\d+\] (\d\d:\d\d:\d\d): ((?:\[([^\]\n]{1,80})\])?.*)", re.DOTALL)
# The text keeps its [Module], because that is what the documentation quotes.
_TROUBLE = re.compile(r"\b(?:error|failed)\b", re.IGNORECASE)


def _columns(text: str) -> Fields:
    match = _COLUMNS.fullmatch(text)
    if match is None:
        return Fields(text=text)
    time, message, module = match.groups()
    level = "Error" if _TROUBLE.search(message) else "Info"
    return Fields(time=time, level=level, component=module or "", code=code_in(message), text=message)


GRAMMAR = line_grammar(_BEGINS, _columns)
