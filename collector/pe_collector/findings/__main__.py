"""One look at a database, as a process of its own: what `serve` starts, so that reports never wait for it.

`python -m pe_collector.findings DATABASE UNIX_SECONDS` prints the look as JSON.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from pathlib import Path

from pe_collector.findings.live import correlate, noted_to_json
from pe_collector.store import open_reader

_NICE = 10


def main(arguments: list[str]) -> None:
    """Look and print."""
    # Where there is no such call, as on Windows, the look has the same right to the processor as the reports.
    with suppress(AttributeError, OSError):
        os.nice(_NICE)  # type: ignore[attr-defined,unused-ignore]  # not on Windows
    path, now_s = arguments
    with closing(open_reader(Path(path))) as connection:
        sys.stdout.write(noted_to_json(correlate(connection, float(now_s))))


if __name__ == "__main__":
    main(sys.argv[1:])
