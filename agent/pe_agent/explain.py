"""What do these logs say, offline? Files, folders and archives in, findings and notes out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pe_agent.codes import CodeMeaning, explain_code, looks_like_code
from pe_agent.judge import judge
from pe_agent.log_sources import not_read, sources_of
from pe_agent.model import Finding, RuledOut
from pe_agent.readers.formats import read_any
from pe_agent.readers.record import LogRecord
from pe_agent.redact import redact_values
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

_KEY_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Explanation:
    """Findings, the leading one first; `notes` say what is odd about the files, one sentence each."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    ruled_out: tuple[RuledOut, ...]
    notes: tuple[str, ...]


def explain_paths(paths: Iterable[Path | str], signatures: SignatureSet) -> Explanation:
    """Judge files, and in folders and zip archives the logs known by name, without any probe.

    Secrets in the lines that findings show are replaced, by words that differ from call to call.

    Raises:
        UsageError: a path does not exist or cannot be read, or a folder holds no log.
    """
    hits: list[LogHit] = []
    notes: list[str] = []
    given = [Path(path) for path in paths]
    sources = [source for path in given for source in sources_of(path)]
    for source in sources:
        hits += scan_log(source.name, source.blocks(), signatures)
        notes += source.notes()
    notes += (note for path in given for note in not_read(path))
    judgement = judge((), (), hits, signatures)
    key = os.urandom(_KEY_OCTETS)
    findings = tuple(redact_values(key, finding) for finding in judgement.findings)
    ruled_out = tuple(redact_values(key, row) for row in judgement.verdict.ruled_out)
    return Explanation(tuple(source.name for source in sources), findings, ruled_out, tuple(notes))


def read_file_records(path: Path | str) -> Iterator[LogRecord]:
    """Every record of a path, in order.

    Raises:
        UsageError: it cannot be read.
    """
    return (record for _, record in read_records((path,)))


def read_records(paths: Iterable[Path | str]) -> Iterator[tuple[str, LogRecord]]:
    """Every record of every log with the log's name, which is empty when there is only one log; secrets stay in them.

    Raises:
        UsageError: a path cannot be read.
    """
    sources = [source for path in paths for source in sources_of(Path(path))]
    for source in sources:
        name = source.name if len(sources) > 1 else ""
        yield from ((name, record) for record in read_any(source.blocks()))
