"""Which devices got a driver? setupapi.dev.log: a record is a section, from `>>>  [` to `<<<  [Exit status: ...]`.

Source: "SetupAPI text logs", learn.microsoft.com; `!!!` marks an error, `!` a warning.
"""

from __future__ import annotations

import re

from pe_agent.readers.record import Fields, line_grammar

_BEGINS = r">>>  \[|\[(?:Device Install Log|BeginLog|Boot Session: )"
_ENDS = r"<<<  \[Exit status: "
_TITLE = re.compile(r"(?:>>>  )?\[([^\]\n]*?)(?: - ([^\]\n]*))?\]")
_TIME = re.compile(r"(?:Section start|Boot Session:) +(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?)")
_STATUS = re.compile(r"^<<<  \[Exit status: (\w+)(?:\(0x([0-9a-fA-F]{1,8})\))?", re.MULTILINE)
_MARKS = ((re.compile(r"^!!!", re.MULTILINE), "Error"), (re.compile(r"^!", re.MULTILINE), "Warning"))


def _columns(text: str) -> Fields:
    title, time, status = _TITLE.match(text), _TIME.search(text), _STATUS.search(text)
    failed = status is not None and status[1] == "FAILURE"
    level = "Error" if failed else next((word for mark, word in _MARKS if mark.search(text)), "Info")
    return Fields(
        time=time[1] if time else "",
        level=level,
        component=title[1] if title else "",
        code=int(status[2], 16) if status and status[2] else None,
        text=text,
    )


GRAMMAR = line_grammar(_BEGINS, _columns, ends=_ENDS)
