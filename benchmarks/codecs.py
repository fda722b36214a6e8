"""How should an agent pack its logs? Octets and processor time by codec and level, for logs as they come.

    python -m benchmarks.codecs [LOG ...] [--out docs/benchmarks-codecs.md]

Packed in blocks of 256 KiB, as the agent does it. zstd is measured where `backports.zstd` (or Python 3.14) is there.
Unpacking by isal is what the collector does. Not part of the tests.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isal import isal_zlib
from pe_agent.logs import BLOCK_OCTETS
from pe_agent.wire import expand_chunk, parse_frame
from pe_collector.loadgen import Load, make_frames

ROUNDS = 5
Packing = Callable[[bytes], bytes]

_PAGE = """# zlib or zstd?

Printed by `python -m benchmarks.codecs`; compare rows of one log only. Packed in blocks of 256 KiB, as the agent does
it; milliseconds of processor time for the whole log, the least of {rounds} rounds. The first log is what `loadgen`
makes, the others are of real machines and no part of the project.

Machine: {machine}.

| log | octets | codec | packed | of it | ms to pack | ms to unpack |
|---|--:|---|--:|--:|--:|--:|
{rows}

## What was chosen, and why

**zlib, level 6, on the agent; unpacked by isal on the collector.** zstd at level 3 packs as well or better in a fifth
of the time, and would be the choice if it cost nothing else. It does: before Python 3.14 it is no part of the
standard library, so a boot image would carry one more native wheel, for each processor, that may fail to load in
Windows PE, and a report must not hang on that. The time to pack is the agent's, once a boot, some milliseconds; the
network carries a small part of the log either way. On the collector, where a thousand logs arrive at once, it is
unpacking that counts, and there isal makes zlib as cheap as zstd. Level 9 takes up to three times as long as level 6
for a few hundredths of the octets; level 1 is fast, and leaves up to a fifth more on the wire and on the disk for
good.

The codec stands beside each piece of a log (`LogChunk.codec`), so that a later agent can pack with zstd: a collector
that does not know it stores such a piece as it came.
"""


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to pack, and the way back."""

    name: str
    pack: Packing
    unpack: Packing


def codecs() -> list[Codec]:
    """Those that are here."""
    of_zlib = [
        Codec(f"zlib {level}", lambda octets, level=level: zlib.compress(octets, level), zlib.decompress)  # type: ignore[misc]
        for level in (1, 6, 9)
    ]
    found = [*of_zlib, Codec("zlib 6, isal", lambda octets: zlib.compress(octets, 6), isal_zlib.decompress)]
    zstd = _zstd()
    if zstd is not None:
        for level in (1, 3, 9, 19):
            pack = lambda octets, level=level: zstd.compress(octets, level)  # noqa: E731 - as above
            found.append(Codec(f"zstd {level}", pack, zstd.decompress))
    return found


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def logs(paths: list[Path]) -> dict[str, bytes]:
    """By name: one that the load generator makes, and these."""
    frames = make_frames(random.Random(1), Load(1, 1, log_bytes=200_000), "")  # noqa: S311 - no secret
    parsed = [parse_frame(octets) for octets in frames]
    made = b"".join(expand_chunk(frame.log) for frame in parsed if frame.HasField("log"))
    return {"made by loadgen": made} | {path.name: path.read_bytes() for path in paths}


def row(name: str, octets: bytes, codec: Codec) -> str:
    """One line of the table."""
    blocks = [octets[at : at + BLOCK_OCTETS] for at in range(0, len(octets), BLOCK_OCTETS)]
    packed = [codec.pack(block) for block in blocks]
    if [codec.unpack(block) for block in packed] != blocks:
        raise SystemExit(f"{codec.name} does not give {name} back")
    size = sum(map(len, packed))
    times = f"{_least_ms(codec.pack, blocks):.2f} | {_least_ms(codec.unpack, packed):.2f}"
    return f"| {name} | {len(octets)} | {codec.name} | {size} | {100 * size / len(octets):.1f} % | {times} |"


def _least_ms(step: Packing, blocks: list[bytes]) -> float:
    taken = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        for block in blocks:
            step(block)
        taken.append(time.process_time() - began_s)
    return min(taken) * 1000


def main() -> None:
    """Measure everything, print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="*", type=Path, metavar="LOG")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    rows = [row(name, octets, codec) for name, octets in logs(told.logs).items() for codec in codecs()]
    machine = f"{platform.machine()}, Python {platform.python_version()}, zlib {zlib.ZLIB_RUNTIME_VERSION}"
    page = _PAGE.format(rounds=ROUNDS, machine=machine, rows="\n".join(rows))
    print(page)
    if told.out:
        told.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
