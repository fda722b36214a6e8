"""What do the logs of ConfigMgr and MDT say? smsts.log, BDD.log, SMSPXE.log: the forms that CMTrace opens.

`<![LOG[text]LOG]!><time="16:52:13.000+480" date="02-07-2024" component="" context="" type="1" thread="" file="">`; the
text may span lines. What follows `+` are minutes to add to local time to get UTC; MDT always writes +000. The older
form is `text  $$<component><02-07-2024 16:52:13.000+480><thread=1234 (0x4D2)>`.
"""

from __future__ import annotations

import re

from pe_agent.readers.record import Fields, Grammar, code_in

_LEVELS = {"1": "Info", "2": "Warning", "3": "Error"}
_NEW = re.compile(rb"(?:\xef\xbb\xbf)?<!\[LOG\[").match
_OLD = re.compile(rb"\$\$<[^<>\n]*><\d\d-\d\d-\d{4} \d\d:\d\d:\d\d[^<>\n]*><thread=").search
_NEW_COLUMNS = re.compile(r"<!\[LOG\[(.*)\]LOG\]!><(.*)", re.DOTALL)
_OLD_COLUMNS = re.compile(r"(.*?)\s*\$\$<([^<>\n]*)><([^<>\n]*)><thread=.*", re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


def _begins(line: bytes) -> object:
    return _NEW(line) or (_OLD(line) if b"$$<" in line else None)


def _ends(line: bytes) -> bool:
    return b"]LOG]!>" in line or b"$$<" in line


def _columns(text: str) -> Fields:
    match = _NEW_COLUMNS.fullmatch(text)
    if match is None:
        return _old_columns(text)
    message, rest = match.groups()
    told = dict(_ATTRIBUTE.findall(rest))
    return Fields(
        time=f"{told.get('date', '')} {told.get('time', '')}".strip(),
        level=_LEVELS.get(told.get("type", ""), ""),
        component=told.get("component", ""),
        code=code_in(message),
        text=message,
    )


def _old_columns(text: str) -> Fields:
    match = _OLD_COLUMNS.fullmatch(text)
    if match is None:
        # Cut off before its closing mark.
        message = text.removeprefix("<![LOG[")
        return Fields(code=code_in(message), text=message)
    message, component, time = match.groups()
    return Fields(time=time, component=component, code=code_in(message), text=message)


GRAMMAR = Grammar(begins=_begins, columns=_columns, ends=_ends)
