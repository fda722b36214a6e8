"""How fast are logs read? MB/s of reading, of judging and of a plain regex loop, in one run of one core (CPU time).

Usage: python benchmarks/panther.py [FILE.log] [MEGABYTES]
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pe_agent import signatures
from pe_agent.judge import scan_log
from pe_agent.panther import read_records

BLOCK_OCTETS = 1024 * 1024
LINE = b"2026-03-02 08:15:30, Info       [0x0601c1] IBS    LogBootDeviceInfo:The firmware boot device is [multi(0)]\r\n"
COLUMNS = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?), (.{10}) (\[0x[0-9A-Fa-f]{6}\]| {10}) (.{6}) (.*)")


def blocks(sample: bytes, megabytes: int) -> Iterator[bytes]:
    """The sample over and over, in blocks of about 1 MiB."""
    block = sample * max(1, BLOCK_OCTETS // len(sample))
    for _ in range(max(1, megabytes * BLOCK_OCTETS // len(block))):
        yield block


def plain_loop(chunks: Iterator[bytes]) -> int:
    """What one would write first: decode, split, match each line."""
    return sum(COLUMNS.match(line) is not None for chunk in chunks for line in chunk.decode("utf-8").splitlines())


def read(chunks: Iterator[bytes]) -> int:
    """Records without a look at their columns."""
    return sum(1 for _ in read_records(chunks))


def read_columns(chunks: Iterator[bytes]) -> int:
    """Records with all their columns."""
    return sum(record.fields.code is not None for record in read_records(chunks))


def judge(chunks: Iterator[bytes]) -> int:
    """Records against all signatures."""
    return sum(1 for _ in scan_log("setupact.log", read_records(chunks), signatures.load()))


WAYS: dict[str, Callable[[Iterator[bytes]], int]] = {
    "plain regex loop": plain_loop,
    "read records": read,
    "read all columns": read_columns,
    "read and judge": judge,
}


def main() -> None:
    """Time each way over the same octets."""
    sample = Path(sys.argv[1]).read_bytes().removeprefix(b"\xef\xbb\xbf") if len(sys.argv) > 1 else LINE * 1000
    megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    octets = sum(map(len, blocks(sample, megabytes)))
    for name, way in WAYS.items():
        began = time.process_time()
        count = way(blocks(sample, megabytes))
        elapsed_s = time.process_time() - began
        print(f"{name:<18} {octets / elapsed_s / 1e6:8.1f} MB/s  ({count} counted)")


if __name__ == "__main__":
    main()
