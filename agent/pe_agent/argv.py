"""Windows habits on the command line: `/?`, `-?` and `/Name:Value` become what click understands."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HELP = frozenset({"/?", "-?", "/help", "/h"})
_SLASH_OPTION = re.compile(r"/([A-Za-z][A-Za-z-]*)(?::(.*))?", re.DOTALL)


def translate(arguments: Iterable[str], *, windows: bool) -> list[str]:
    """Arguments as click wants them. `/Name:Value` is an option on Windows only; elsewhere it is a path."""
    translated: list[str] = []
    for argument in arguments:
        match = _SLASH_OPTION.fullmatch(argument) if windows else None
        if argument.lower() in _HELP:
            translated.append("--help")
        elif match is not None:
            translated.append("--" + match[1].lower())
            translated += [match[2]] if match[2] is not None else []
        else:
            translated.append(argument)
    return translated
