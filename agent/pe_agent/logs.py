"""Collect a log file: its octets in chunks for the report, all of them in passing for the reader."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pe_agent.model import FactValue, LogChunk, Observation, Outcome, Reason

PROBE = "logs"
BLOCK_OCTETS = 256 * 1024
# Of a file larger than both together, the middle is left out of the report (and read all the same).
HEAD_OCTETS = 4 * 1024 * 1024
TAIL_OCTETS = 12 * 1024 * 1024
# A log that is followed while it grows ends up with no more than this.
MOST_OCTETS = 24 * 1024 * 1024


@dataclass(slots=True)
class LogFile:
    """One log on its way into the report. `shown` is the path as the machine's users know it."""

    shown: str
    path: Path
    emit: Callable[[LogChunk], None]
    file_bytes: int = 0
    collected_bytes: int = 0
    _next_offset: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    _held: LogChunk | None = None

    def blocks(self) -> Iterator[bytes]:
        """Every octet the file has now, in blocks; what the report lacks yet is emitted as chunks in passing.

        May be run again when the file has grown.

        Raises:
            OSError: the file cannot be opened or read; what was read before stays emitted.
        """
        with self.path.open("rb") as file:
            self.file_bytes = file.seek(0, 2)
            file.seek(0)
            offset = 0
            while offset < self.file_bytes:
                block = file.read(min(BLOCK_OCTETS, self.file_bytes - offset))
                if not block:
                    break
                self._collect(offset, block)
                offset += len(block)
                yield block
        self._finish()

    def observation(self, started_at_s: float, elapsed_s: float, problem: OSError | None = None) -> Observation:
        """What was collected of this file; a file the system would not give is a warning with its reason."""
        facts: dict[str, FactValue] = {"file_bytes": self.file_bytes, "collected_bytes": self.collected_bytes}
        if problem is not None:
            facts["error"] = problem.strerror or str(problem)
            reason = Reason.ACCESS_DENIED if isinstance(problem, PermissionError) else Reason.TRUNCATED
            return Observation(PROBE, self.shown, Outcome.WARNING, reason, started_at_s, elapsed_s, facts)
        if self.collected_bytes < self.file_bytes:
            facts["left_out_bytes"] = self.file_bytes - self.collected_bytes
        return Observation(PROBE, self.shown, Outcome.OK, Reason.ANSWERED, started_at_s, elapsed_s, facts)

    def _collect(self, offset: int, block: bytes) -> None:
        if self.file_bytes > HEAD_OCTETS + TAIL_OCTETS:
            in_head = offset + len(block) <= HEAD_OCTETS
            in_tail = offset >= self.file_bytes - TAIL_OCTETS
            if not (in_head or in_tail):
                return
        fresh = block[max(0, self._next_offset - offset) :]
        if not fresh or self.collected_bytes + len(fresh) > MOST_OCTETS:
            return
        self._hash.update(fresh)
        self.collected_bytes += len(fresh)
        self._next_offset = offset + len(block)
        self._release()
        self._held = LogChunk(self.shown, self._next_offset - len(fresh), fresh, self.file_bytes)

    def _release(self, sha256: bytes = b"") -> None:
        held, self._held = self._held, None
        if held is not None:
            self.emit(LogChunk(held.path, held.offset_bytes, held.octets, held.file_bytes, sha256))

    def _finish(self) -> None:
        if self._held is None and self.file_bytes == 0:
            self._held = LogChunk(self.shown, 0, b"", 0)
        self._release(self._hash.digest())
