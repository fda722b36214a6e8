"""What does a Windows Setup log say, record by record? Octets in, records out, in constant memory.

The columns of setupact.log and setuperr.log: `YYYY-MM-DD HH:MM:SS, level(10) id(10) component(6) text`, each followed
by one blank. Copies in forums lose the stamp and collapse the blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pe_agent.encoding import encoding_of
from pe_agent.readers import stream
from pe_agent.readers.record import Fields, LogRecord, code_in, line_grammar
from pe_agent.readers.stream import MOST_OCTETS

__all__ = ["GRAMMAR", "MOST_OCTETS", "LogRecord", "code_in", "encoding_of", "read_records"]

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,7})?"
_LEVELS = r"(?:Fatal Error|Info|Warning|Error|Debug|Perf)"
_ID = r"\[0x[0-9A-Fa-f]{6}\]"
_COMPONENTS = r"(?:SP|IBSLIB|IBS|MOUPG|MIG|SYSPRP|DISM|CONX|PANTHR|CBS|UI|DIAG|CSI|CMI|TOOL|DPX|WDS)"
# Where a record begins. Without a stamp a level alone is not enough: continuation lines may begin with such a word.
_BEGINS = (
    rf"{STAMP}, |"
    rf"[ \t]*{_LEVELS}[ \t]+(?:\"|(?:{_ID}[ \t]+)?{_COMPONENTS}[ \t]+\S|{_ID}[ \t])|"
    r"(?:Info {6}|Warning {3}|Error {5})(?=\S)"
)
# Lines of other programs in a file of the same name: never a continuation of a Setup record.
_FOREIGN = r"[\w-]+\.(?:dll|exe): |\[\d\d/\d\d/\d{4} |<!\[LOG\["
_COLUMNS = re.compile(rf"({STAMP}), (.{{10}}) ({_ID}| {{10}}) (.{{6}}) (.*)", re.DOTALL)
_LOOSE = re.compile(
    rf"(?:({STAMP}),)?\s*({_LEVELS})(?:\s+|$)(?:({_ID})\s+)?(?:({_COMPONENTS})\s+(?=\S))?(.*)", re.DOTALL
)
_STAMPED = re.compile(rf"({STAMP}), ?(.*)", re.DOTALL)


def read_records(chunks: Iterable[bytes]) -> Iterator[LogRecord]:
    """Records from a Setup log's octets in pieces of any size; nothing is dropped, whatever the octets are."""
    return stream.read_records(chunks, GRAMMAR)


def read_columns(text: str) -> Fields:
    """The columns, strict before loose; a stamp alone before none."""
    match = _COLUMNS.fullmatch(text) or _LOOSE.fullmatch(text)
    if match is None:
        stamped = _STAMPED.fullmatch(text)
        time, message = stamped.groups() if stamped else ("", text)
        return Fields(time=time, code=code_in(message), text=message)
    time, level, message_id, component, message = (group or "" for group in match.groups())
    message = _unquoted(message)
    return Fields(time, level.strip(), message_id.strip(" []"), component.strip(), code_in(message), message)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


GRAMMAR = line_grammar(_BEGINS, read_columns, foreign=_FOREIGN)
