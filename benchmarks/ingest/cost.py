"""What did a server use: processor, memory, wire and disk?"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all below it."""
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [pid, *(each for child in done.stdout.split() for each in family(int(child)))]


def cpu_s(pids: Iterable[int]) -> float:
    """Processor seconds of these and of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def resident_octets(pids: Iterable[int]) -> int:
    """Memory that is really there; what forked processes share is counted for each."""
    pages = 0
    for pid in pids:
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except FileNotFoundError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def wire_octets() -> int:
    """What went over loopback in this network namespace, headers and acknowledgements included."""
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[1])


def disk_octets(folder: Path) -> int:
    """Blocks that the files of a folder take."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def split(pid: int, seconds: float) -> list[tuple[float, str]]:
    """Share of the processor by library, from `perf`; empty where there is none."""
    if shutil.which("perf") is None:
        return []
    record = ["perf", "record", "-q", "-o", "-", "-p", str(pid), "--", "sleep", str(seconds)]
    recorded = subprocess.run(record, capture_output=True, check=False)
    report = ["perf", "report", "-i", "-", "--sort", "dso", "--stdio", "-q"]
    text = subprocess.run(report, input=recorded.stdout, capture_output=True, check=False).stdout.decode()
    rows = [line.split() for line in text.splitlines() if "%" in line]
    return [(float(row[0].rstrip("%")), row[1]) for row in rows if len(row) == 2]
