"""Collect a log file: its octets in chunks for the report, all of them in passing for the reader.

Secrets are taken out before anything else sees the octets: chunks, hashes and line texts are of the redacted log.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pe_agent.model import FactValue, LogChunk, Observation, Outcome, Reason
from pe_agent.redact import Redactor
from pe_agent.shared_file import open_shared

PROBE = "logs"
BLOCK_OCTETS = 256 * 1024
# Of a file larger than both together, the middle is left out of the report (and read all the same).
HEAD_OCTETS = 4 * 1024 * 1024
TAIL_OCTETS = 12 * 1024 * 1024
# A log that is followed while it grows ends up with no more than this.
MOST_OCTETS = 24 * 1024 * 1024
# It holds errors only.
_OFTEN_EMPTY = frozenset({"setuperr.log"})


@dataclass(slots=True)
class LogFile:
    """One log on its way into the report. `shown` is the path as the machine's users know it.

    `key` makes the words that stand for secrets. `removed` says which rule took out how many values;
    `collected_bytes` counts redacted octets.
    """

    shown: str
    path: Path
    emit: Callable[[LogChunk], None]
    key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    file_bytes: int = 0
    collected_bytes: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    _left_out: int = 0
    # An unfinished line at the end: it may grow, so it is collected only when the log is closed.
    _rest: tuple[int, bytes] = (0, b"")
    _next_offset: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    _held: LogChunk | None = None

    def blocks(self) -> Iterator[bytes]:
        """Every octet the file has now but its secrets, in blocks; what the report lacks is emitted in passing.

        May be run again when the file has grown. An unfinished line at the end is emitted by `close`.

        Raises:
            OSError: the file cannot be opened or read; what was read before stays emitted.
        """
        with open_shared(self.path) as file:
            self.file_bytes = file.seek(0, 2)
            file.seek(0)
            redactor = Redactor(self.key)
            offset = at = self._left_out = 0
            while offset < self.file_bytes:
                block = file.read(min(BLOCK_OCTETS, self.file_bytes - offset))
                if not block:
                    break
                redacted = redactor.feed(block)
                self._collect(at, redacted, self._travels(offset, len(block)))
                offset += len(block)
                at += len(redacted)
                yield redacted
        self._rest = (at, redactor.finish())
        self.removed = redactor.removed
        yield self._rest[1]
        self._finish()

    def close(self) -> None:
        """Emit the unfinished line at the end: nothing is read after this."""
        at, rest = self._rest
        self._rest = (at, b"")
        self._collect(at, rest, travels=True)
        if self._held is not None:
            self._release(self._hash.digest())

    def observation(self, started_at_s: float, elapsed_s: float, problem: OSError | None = None) -> Observation:
        """What was collected of this file; one that is empty, or that the system would not give, is a warning."""
        facts: dict[str, FactValue] = {"file_bytes": self.file_bytes, "collected_bytes": self.collected_bytes}
        if problem is not None:
            facts["error"] = problem.strerror or str(problem)
            if winerror := getattr(problem, "winerror", None):
                facts["winerror"] = winerror
            reason = Reason.ACCESS_DENIED if isinstance(problem, PermissionError) else Reason.TRUNCATED
            return Observation(PROBE, self.shown, Outcome.WARNING, reason, started_at_s, elapsed_s, facts)
        if self._left_out:
            facts["left_out_bytes"] = self._left_out
        if self.removed:
            facts["redacted_values"] = self.removed.total()
            facts["redacted_by"] = " ".join(f"{rule}={count}" for rule, count in sorted(self.removed.items()))
        if self.file_bytes == 0 and self.path.name.lower() not in _OFTEN_EMPTY:
            return Observation(PROBE, self.shown, Outcome.WARNING, Reason.EMPTY, started_at_s, elapsed_s, facts)
        return Observation(PROBE, self.shown, Outcome.OK, Reason.ANSWERED, started_at_s, elapsed_s, facts)

    def _travels(self, offset: int, length: int) -> bool:
        """Whether a block goes into the report: of a large file only the head and the tail do."""
        if self.file_bytes <= HEAD_OCTETS + TAIL_OCTETS:
            return True
        return offset + length <= HEAD_OCTETS or offset >= self.file_bytes - TAIL_OCTETS

    def _collect(self, at: int, redacted: bytes, travels: bool) -> None:  # noqa: FBT001 - one word for one question
        fresh = redacted[max(0, self._next_offset - at) :]
        if not travels or self.collected_bytes + len(fresh) > MOST_OCTETS:
            self._left_out += len(fresh)
            return
        if not fresh:
            return
        self._hash.update(fresh)
        self.collected_bytes += len(fresh)
        self._next_offset = at + len(redacted)
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
