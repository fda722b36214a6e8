"""Looks at a database, as a process of its own: what `serve` starts, so that reports never wait for one.

`python -m pe_collector.findings DATABASE` looks once for each line of its input, which says the time in Unix seconds,
and prints the look as a line of JSON. What it has read it keeps for the next look.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from pe_collector.findings.live import note, noted_to_json, what_is_there
from pe_collector.findings.window import MOST_SERVED, Window
from pe_collector.store import open_reader

_NICE = 10


def looks(path: Path, times: Iterable[str]) -> Iterator[str]:
    """A look for each of these times."""
    window = Window(MOST_SERVED)
    for now_s in times:
        with closing(open_reader(path)) as connection:
            there = what_is_there(connection)
            yield noted_to_json(note(connection, window.look(connection), float(now_s), there))


def main(arguments: list[str]) -> None:
    """Look and print until the input ends."""
    # Where there is no such call, as on Windows, the look has the same right to the processor as the reports.
    with suppress(AttributeError, OSError):
        os.nice(_NICE)  # type: ignore[attr-defined,unused-ignore]  # not on Windows
    for look in looks(Path(arguments[0]), sys.stdin):
        sys.stdout.write(look + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
