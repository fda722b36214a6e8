"""What did the WDS Diagnostics channel record? `Get-WinEvent | Export-Csv`: quoted columns, in the order of the header.

Names of columns are properties, the same in every language. A message spans lines; a quote in it is doubled.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from pe_agent.readers.record import Fields, Grammar, code_in, line_grammar
from pe_agent.readers.wds_events import LEVELS

_HEADER = re.compile(rb'^(?:\xef\xbb\xbf)?"\w+"(?:[,;\t]"\w+")+\r?$', re.MULTILINE)
_NEEDED = frozenset({"Id", "TimeCreated"})
# A first column that is empty is `"",`; a line of a message that begins with a quote begins with two of them.
_BEGINS = r'"(?:[^",;\t\n]|"[,;\t])'


@dataclass(frozen=True, slots=True)
class ExportedColumns:
    """Reads a record by the header of its file."""

    names: tuple[str, ...]
    delimiter: str

    def __call__(self, text: str) -> Fields:
        """The columns; a record that does not fit the header is only text, the header itself too."""
        try:
            values = next(csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter), [])
        except csv.Error:
            values = []
        told = dict(zip(self.names, values, strict=False))
        if not told.get("Id", "").isdecimal():
            return Fields(text=text)
        message = "\n".join(line.strip() for line in told.get("Message", "").splitlines())
        level = told.get("LevelDisplayName") or LEVELS.get(told.get("Level", ""), "Info")
        return Fields(told["TimeCreated"], level, told["Id"], told.get("ProviderName", ""), code_in(message), message)


def grammar_of(head: bytes) -> Grammar | None:
    """The grammar that the header of an exported file demands; None when there is no such header."""
    match = _HEADER.search(head)
    if match is None:
        return None
    line = match[0].decode("ascii", "replace").removeprefix("\ufffd\ufffd\ufffd").rstrip("\r")
    delimiter = line[line.index('"', 1) + 1]
    names = tuple(name.strip('"') for name in line.split(delimiter))
    return line_grammar(_BEGINS, ExportedColumns(names, delimiter)) if set(names) >= _NEEDED else None


ANY_ORDER = line_grammar(_BEGINS, ExportedColumns(("TimeCreated", "Id", "ProviderName", "Message"), ","))
