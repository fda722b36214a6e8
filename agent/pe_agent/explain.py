"""What do these log files say, offline? Files and folders in, findings and notes out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pe_agent.codes import CodeMeaning, explain_code, looks_like_code
from pe_agent.errors import UsageError
from pe_agent.judge import LogHit, judge, scan_log
from pe_agent.model import Finding, RuledOut
from pe_agent.panther import LogRecord, encoding_of, read_records
from pe_agent.signatures import SignatureSet

__all__ = ["CodeMeaning", "Explanation", "explain_code", "explain_paths", "looks_like_code", "read_file_records"]

BLOCK_OCTETS = 1024 * 1024
# What is read of a folder; a file that is named itself is always read.
LOG_NAMES = frozenset({"setupact.log", "setuperr.log", "wpeinit.log"})
_ENCODING_WORDS = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Findings, the leading one first; `notes` say what is odd about the files, one sentence each."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """A file on its way through the reader; remembers what its octets tell about it."""

    path: Path
    octets: int = 0
    _head: bytes = b""
    _tail: bytes = b""
    _zeros: bool = field(default=False)

    def blocks(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                while block := file.read(BLOCK_OCTETS):
                    self._head = self._head or block[:2]
                    self._tail = (self._tail + block[-2:])[-2:]
                    self._zeros = self._zeros or b"\0\0\0\0" in block
                    self.octets += len(block)
                    yield block
        except OSError as exc:
            raise UsageError(f"{self.path}: cannot be read: {exc.strerror or exc}") from exc

    def notes(self) -> Iterator[str]:
        if self.octets == 0:
            yield f"{self.path}: empty file"
            return
        encoding = encoding_of(self._head)
        if encoding in _ENCODING_WORDS:
            yield f"{self.path}: {_ENCODING_WORDS[encoding]}"
        if self._tail not in (b"\n\0", b"\0\n") and not self._tail.endswith(b"\n"):
            yield f"{self.path}: the file ends in the middle of a line"
        if self._zeros:
            yield f"{self.path}: holds zero octets, as after a crash or a lost power supply"


def explain_paths(paths: Iterable[Path | str], signatures: SignatureSet) -> Explanation:
    """Judge files, and in folders the logs known by name, without any probe.

    Raises:
        UsageError: a path does not exist or cannot be read, or a folder holds no log.
    """
    hits: list[LogHit] = []
    notes: list[str] = []
    files = [file for path in paths for file in _files(Path(path))]
    for file in files:
        reading = _Reading(file)
        hits += scan_log(str(file), read_records(reading.blocks()), signatures)
        notes += reading.notes()
    judgement = judge((), (), hits, signatures)
    return Explanation(tuple(map(str, files)), judgement.findings, judgement.verdict.ruled_out, tuple(notes))


def read_file_records(path: Path | str) -> Iterator[LogRecord]:
    """Every record of one file, in order.

    Raises:
        UsageError: the file cannot be read.
    """
    return read_records(_Reading(Path(path)).blocks())


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    problems: list[OSError] = []
    found = [
        Path(folder, name)
        for folder, _, names in os.walk(path, onerror=problems.append)
        for name in names
        if name.lower() in LOG_NAMES
    ]
    if not found:
        why = f" ({problems[0].strerror})" if problems else ""
        raise UsageError(f"{path}: no {', '.join(sorted(LOG_NAMES))} in this folder{why}")
    return sorted(found)
