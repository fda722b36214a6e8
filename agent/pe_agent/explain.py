"""What do these logs say, offline? Files, folders and archives in, findings and notes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pe_agent.codes import CodeMeaning, explain_code, looks_like_code
from pe_agent.judge import judge
from pe_agent.log_sources import sources_of
from pe_agent.model import Finding, RuledOut
from pe_agent.readers.formats import read_any
from pe_agent.readers.record import LogRecord
from pe_agent.scan import LogHit, scan_log
from pe_agent.signatures import SignatureSet

__all__ = [
    "CodeMeaning",
    "Explanation",
    "explain_code",
    "explain_paths",
    "looks_like_code",
    "read_file_records",
    "read_records",
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Findings, the leading one first; `notes` say what is odd about the files, one sentence each."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...]
    notes: tuple[str, ...]


def explain_paths(paths: Iterable[Path | str], signatures: SignatureSet) -> Explanation:
    """Judge files, and in folders and zip archives the logs known by name, without any probe.

    Raises:
        UsageError: a path does not exist or cannot be read, or a folder holds no log.
    """
    hits: list[LogHit] = []
    notes: list[str] = []
    sources = [source for path in paths for source in sources_of(Path(path))]
    for source in sources:
        hits += scan_log(source.name, source.blocks(), signatures)
        notes += source.notes()
    judgement = judge((), (), hits, signatures)
    files = tuple(source.name for source in sources)
    return Explanation(files, judgement.findings, judgement.verdict.ruled_out, tuple(notes))


def read_file_records(path: Path | str) -> Iterator[LogRecord]:
    """Every record of a path, in order.

    Raises:
        UsageError: it cannot be read.
    """
    return (record for _, record in read_records((path,)))


def read_records(paths: Iterable[Path | str]) -> Iterator[tuple[str, LogRecord]]:
    """Every record of every log with the log's name, which is empty when there is only one log.

    Raises:
        UsageError: a path cannot be read.
    """
    sources = [source for path in paths for source in sources_of(Path(path))]
    for source in sources:
        name = source.name if len(sources) > 1 else ""
        yield from ((name, record) for record in read_any(source.blocks()))
