"""`pe-collector demo`: a simulated fleet through the same import, store and statistic as a real one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from pe_collector import fleet, importer, trust
from pe_collector.limits import Limits

SEED, MACHINES, BOOTS = 2008, 600, 1500


def fill(data: Path, now_s: float, say: Callable[[str], None]) -> None:
    """Make a collector in `data` and import a simulated day of boots into it.

    Raises:
        UsageError: the folder holds a collector already.
    """
    trust.init(data, now_s)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.jsonl"
        written = fleet.write_fleet(path, SEED, MACHINES, BOOTS, now_s)
        stored = sum(bool(done.report_id) for done in importer.import_files(data, [path], now_s, Limits()))
    say(f"{stored} of {written} simulated reports are in {data}")
