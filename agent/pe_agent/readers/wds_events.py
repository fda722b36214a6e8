"""What did the WDS Diagnostics channel record? Exports of Microsoft-Windows-Deployment-Services-Diagnostics.

Three forms: XML (Event Viewer, wevtutil), rows (CSV or tabs, of Event Viewer or Get-WinEvent with TimeCreated and Id
first) and lists (Get-WinEvent | Format-List, wevtutil /f:text). XML is read by patterns: no entity is ever expanded
but the five of XML itself.
"""

from __future__ import annotations

import functools
import re
import tomllib
from importlib import resources

from pe_agent.readers.record import Fields, Grammar, code_in, line_grammar

# winmeta.xml: 1 critical, 2 error, 3 warning.
LEVELS = {"1": "Error", "2": "Error", "3": "Warning"}
_ENTITIES = {
    "lt": "<",
    "gt": ">",
    "quot": '"',
    "apos": "'",
    "amp": "&",
    "#13": "\r",
    "#10": "\n",
    "#xD": "\r",
    "#xA": "\n",
}
_ENTITY = re.compile(r"&(#?\w{1,4});")
_LEAF = re.compile(r"<(\w+)(?: Name=['\"]([^'\"]*)['\"])?[^<>]*>([^<]+)</\1>")
_PATTERNS = {
    "id": re.compile(r"<EventID[^>]*>(\d{1,5})<"),
    "time": re.compile(r"<TimeCreated SystemTime=['\"]([^'\"]+)['\"]"),
    "level": re.compile(r"<Level>(\d)<"),
    "provider": re.compile(r"<Provider Name=['\"]([^'\"]*)['\"]"),
    "message": re.compile(r"<Message>([^<]*)</Message>"),
}
_ROW = (
    # Most lines of a message hold no sign that parts columns: a quick no.
    r"(?=[^,\t\n]{0,42}+[,\t])"
    r"(?:\"?([^,\t\"\n]{1,40}+)\"?[,\t])?\"?([^,\t\"\n]{0,20}\d{1,2}:\d\d(?::\d\d)?[^,\t\"\n]{0,20})\"?[,\t]"
    r"(?:\"?([^,\t\"\n]{1,120}+)\"?[,\t])?\"?(\d{3,5})\"?[,\t]"
)
_ROW_COLUMNS = re.compile(rf"{_ROW}(.*)", re.DOTALL)
_LIST_BEGINS = r"TimeCreated[ \t]*:|Event\[\d+\]"
_LIST_FIELD = re.compile(
    r"^ *(TimeCreated|Date|Id|Event ID|ProviderName|Source|Level\w*|Message|Description) *: *", re.M
)


@functools.cache
def event_titles() -> dict[int, str]:
    """Event id -> what the manifest calls it."""
    text = resources.files(__package__).joinpath("wds_events.toml").read_text(encoding="utf-8")
    return {int(number): title for number, title in tomllib.loads(text)["event"].items()}


def _xml_columns(text: str) -> Fields:
    found = {name: (m[1] if (m := pattern.search(text)) else "") for name, pattern in _PATTERNS.items()}
    _, _, body = text.partition("</System>")
    leaves = ((m[2] or m[1], m[3]) for m in _LEAF.finditer(body.partition("<RenderingInfo")[0]))
    title = found["message"] or event_titles().get(int(found["id"] or 0), f"Event {found['id']}")
    message = _unescaped("\n".join([title, *(f"{name}: {value}" for name, value in leaves)]))
    level = LEVELS.get(found["level"], "Info")
    return Fields(found["time"], level, found["id"], found["provider"], code_in(message), message)


def _row_columns(text: str) -> Fields:
    match = _ROW_COLUMNS.fullmatch(text)
    if match is None:
        return Fields(text=text)
    level, time, provider, number, message = (group or "" for group in match.groups())
    message = message.replace('""', '"').strip('"')
    return Fields(time.strip(), level, number, provider, code_in(message), message)


def _list_columns(text: str) -> Fields:
    marks = list(_LIST_FIELD.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    told: dict[str, str] = {}
    # Text that only begins like an event has no field, and so an end too many.
    for mark, end in zip(marks, ends, strict=False):
        # A message may hold lines that look like fields; the first one of a name is the event's own.
        told.setdefault(mark[1], text[mark.end() : end].strip())
    message = "\n".join(line.strip() for line in told.get("Message", told.get("Description", "")).split("\n"))
    level = told.get("LevelDisplayName") or told.get("Level", "")
    number = told.get("Id") or told.get("Event ID", "")
    provider = told.get("ProviderName") or told.get("Source", "")
    return Fields(told.get("TimeCreated") or told.get("Date", ""), level, number, provider, code_in(message), message)


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda m: _ENTITIES.get(m[1], m[0]), text).replace("\r\n", "\n")


XML = Grammar(
    begins=re.compile(rb"<Event[ >]").search,
    columns=_xml_columns,
    ends=lambda piece: piece.endswith(b"</Event>"),
    delimiter=b"</Event>",
)
ROWS = line_grammar(_ROW, _row_columns)
LIST = line_grammar(_LIST_BEGINS, _list_columns)
