"""Which lines of a log meet a row of the signatures? Reads large logs at full speed: most of them say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pe_agent.model import Evidence, FactValue
from pe_agent.needles import Needles
from pe_agent.readers.formats import recognise
from pe_agent.readers.record import LogRecord
from pe_agent.readers.screens import screens_joined
from pe_agent.readers.stream import Stretch, read_stretches
from pe_agent.signatures import Exclusion, Signature, SignatureSet

# Of one row in one log file; the first lines convict, the thousandth adds nothing.
MOST_HITS = 4
MOST_TEXT = 500
_MOST_DULL = 4096
# `YYYY-MM-DD HH:MM:SS`, in which no mark of any row lies.
_STAMP_OCTETS = 19

_Row = Signature | Exclusion


@dataclass(frozen=True, slots=True)
class LogHit:
    """A log record that meets a row's conditions; `facts` are the fields its sentences may name, `time` its stamp."""

    row: _Row
    evidence: Evidence
    facts: Mapping[str, FactValue] = field(default_factory=dict)
    time: str = ""


def scan_log(name: str, chunks: Iterable[bytes], signatures: SignatureSet) -> Iterator[LogHit]:
    """The records of a whole log that meet a row about logs, at most MOST_HITS of each row."""
    return Scan(name, signatures).hits(chunks, final=True)


class Scan:
    """One reading of a log, from its beginning. `half_written` says that its last line had no end."""

    def __init__(self, name: str, signatures: SignatureSet) -> None:
        self.half_written = False
        self._name = name
        self._rows = [row for row in signatures.rows if row.when.about_logs]
        self._left = {id(row): MOST_HITS for row in self._rows}
        self._needs = {id(row): row.when.needles for row in self._rows}
        words = {word for needles in self._needs.values() for word in needles}
        self._needles = Needles(words | {row.when.unless_literal for row in self._rows if row.when.unless})
        # Hits of rows with `unless`, until the log's end shows that it is not there.
        self._waiting: dict[int, list[LogHit]] = {id(row): [] for row in self._rows if row.when.unless}
        # A loop of retries writes the same lines a million times.
        self._dull: set[bytes] = set()

    def hits(self, chunks: Iterable[bytes], *, final: bool) -> Iterator[LogHit]:
        """What the log says; unless `final`, a last line without an end is left out and nothing counts as absent."""
        form, octets = recognise(chunks)
        for stretch, is_last in _with_last(read_stretches(octets, form.grammar)):
            self.half_written = is_last and not stretch.octets.endswith(b"\n")
            found = self._needles.found_in(stretch.octets)
            if found:
                records = stretch.records()
                whole = _without_last(records) if self.half_written and not final else records
                yield from self._in_stretch(stretch, found, whole)
        for waiting in self._waiting.values() if final else ():
            yield from waiting

    def _in_stretch(self, stretch: Stretch, found: frozenset[bytes], records: Iterable[LogRecord]) -> Iterator[LogHit]:
        self._forget_refuted(stretch, found)
        likely = [row for row in self._rows if self._left[id(row)] and self._may_meet(row, found, stretch.octets)]
        words = found & frozenset(word for row in likely for word in self._needs[id(row)])
        # A number may be padded with zeroes.
        marks = [word.removeprefix(b"0x") for word in words]
        for record in screens_joined(records) if likely else ():
            lowered = record.octets.lower()
            if any(mark in lowered for mark in marks):
                yield from self._in_record(record, likely)

    def _may_meet(self, row: _Row, found: frozenset[bytes], octets: bytes) -> bool:
        return not found.isdisjoint(self._needs[id(row)]) and row.when.may_match(octets)

    def _in_record(self, record: LogRecord, likely: Sequence[_Row]) -> Iterator[LogHit]:
        told = _without_time(record.octets)
        if told in self._dull:
            return
        met = [
            row
            for row in likely
            if self._left[id(row)] and row.when.may_match(record.octets) and row.when.match_record(record)
        ]
        if not met and len(self._dull) < _MOST_DULL:
            self._dull.add(told)
        for row in met:
            self._left[id(row)] -= 1
            hit = _hit(self._name, record, row)
            if row.when.unless is None:
                yield hit
            elif id(row) in self._waiting:
                self._waiting[id(row)].append(hit)

    def _forget_refuted(self, stretch: Stretch, found: frozenset[bytes]) -> None:
        for row in self._rows:
            unless = row.when.unless
            if not unless or row.when.unless_literal not in found or id(row) not in self._waiting:
                continue
            if any(unless.search(record.text) for record in stretch.records()):
                del self._waiting[id(row)]


def _with_last(stretches: Iterable[Stretch]) -> Iterator[tuple[Stretch, bool]]:
    held: Stretch | None = None
    for stretch in stretches:
        if held is not None:
            yield held, False
        held = stretch
    if held is not None:
        yield held, True


def _without_last(records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    held: LogRecord | None = None
    for record in records:
        if held is not None:
            yield held
        held = record


def _without_time(octets: bytes) -> bytes:
    return octets[_STAMP_OCTETS:] if octets[:1].isdigit() else octets


def _hit(name: str, record: LogRecord, row: _Row) -> LogHit:
    text = record.text
    match = next((m for pattern in row.when.log if (m := pattern.search(text))), None)
    facts: dict[str, FactValue] = {"file": name, "line": record.line, "component": record.component, "text": text}
    if record.code is not None:
        facts["code"] = f"0x{record.code:08X}"
    if record.message_id:
        facts["event"] = record.message_id
    facts |= {key: value for key, value in match.groupdict().items() if value is not None} if match else {}
    return LogHit(row, Evidence(text[:MOST_TEXT], name, record.line), facts, record.time)
