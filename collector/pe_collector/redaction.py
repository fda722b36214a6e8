"""What does an agent, old or foreign, send that must not be kept? Every frame is redacted again before it is stored.

A frame without secrets stays octet for octet. What this version cannot unpack is kept as it came.
"""

from __future__ import annotations

import functools
import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from pe_agent.errors import DecodeError, UsageError
from pe_agent.redact import Redactor, redact_text
from pe_protos.v1 import report_pb2 as pb

from pe_collector.expanding import expand_quickly
from pe_collector.quick_secrets import find_quickly, marks_met, may_name_a_secret
from pe_collector.store.rows import Filed, Removed, file_frame

KEY_FILE = "redaction.key"
_KEY_OCTETS = 32
_MOST_REMEMBERED = 256
_MOST_UNHASHED = 64 * 1024


def read_key(folder: Path) -> bytes:
    """The key of this collector, made on first use; only its owner may read it.

    Raises:
        UsageError: it can neither be read nor made.
    """
    path = folder / KEY_FILE
    try:
        if not path.exists():
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(os.urandom(_KEY_OCTETS))
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror or exc}; check that the data folder is writable") from exc


@dataclass(slots=True)
class _Log:
    """One log on its way through. The hash is worked out when a secret is met: that is seldom, hashing is not cheap."""

    redactor: Redactor
    # Whether its beginning was seen here; else nobody knows the hash of the whole.
    begun: bool
    _sha256: hashlib._Hash = field(default_factory=hashlib.sha256)
    _unhashed: list[pb.LogChunk] = field(default_factory=list)
    _unhashed_octets: int = 0

    def add(self, chunk: pb.LogChunk) -> None:
        """The next octets as they are kept; the chunk itself may be emptied afterwards."""
        if not self.begun:
            return
        self._unhashed.append(pb.LogChunk(data=chunk.data, codec=chunk.codec, expanded_bytes=chunk.expanded_bytes))
        self._unhashed_octets += len(chunk.data)
        if self._unhashed_octets > _MOST_UNHASHED:
            self._catch_up()

    def digest(self) -> bytes:
        """SHA-256 of all octets added; empty when the beginning was not seen."""
        self._catch_up()
        return self._sha256.digest() if self.begun else b""

    def _catch_up(self) -> None:
        for chunk in self._unhashed:
            self._sha256.update(expand_quickly(chunk))
        self._unhashed, self._unhashed_octets = [], 0


@dataclass(slots=True)
class ReportRedaction:
    """The frames of one report, in order."""

    key: bytes
    _logs: dict[str, _Log] = field(default_factory=dict)
    # Whether none of the frames that were looked over together has a mark in its texts.
    _all_clean: bool = False

    def look_over(self, records: Sequence[tuple[pb.Frame, bytes]]) -> None:
        """Search all frames that come next for marks at once; call it before every message, of one frame too."""
        texts = [octets for frame, octets in records if not frame.HasField("log")]
        self._all_clean = len(texts) > 1 and not marks_met(b"\n".join(texts))

    def file(self, report_id: str, messages: Iterable[Sequence[bytes]]) -> tuple[Filed, ...]:
        """The rows of the frames that come next, message by message; each was read and checked before."""
        filed: list[Filed] = []
        for message in messages:
            records = [(pb.Frame.FromString(octets), octets) for octets in message]
            self.look_over(records)
            filed += [file_frame(report_id, frame, *self.redact(frame, octets)) for frame, octets in records]
        return tuple(filed)

    def redact(self, frame: pb.Frame, octets: bytes) -> tuple[bytes, tuple[Removed, ...]]:
        """The frame's octets without secrets, and what was removed; the frame itself is changed too."""
        body = frame.WhichOneof("body") or ""
        if body == "log":
            removed = self._log(frame.log)
            changed = bool(removed) or self._is_changed(frame.log.path)
        elif self._has_no_mark(frame, octets):
            return octets, ()
        else:
            removed = tuple(Removed(body, rule, values) for rule, values in self._texts(frame).items())
            changed = bool(removed)
        return (frame.SerializeToString() if changed else octets), removed

    def _has_no_mark(self, frame: pb.Frame, octets: bytes) -> bool:
        # Texts stand in a message as they are; only a fact's name and value come together to something new.
        has_mark = not self._all_clean and bool(marks_met(octets))
        return not (has_mark or any(map(may_name_a_secret, frame.observation.facts)))

    def _is_changed(self, path: str) -> bool:
        return path in self._logs and bool(self._logs[path].redactor.removed)

    def _texts(self, message: Message) -> Counter[str]:
        removed: Counter[str] = Counter()
        for descriptor, value in message.ListFields():
            if isinstance(value, str):
                if not _is_clean(value):
                    setattr(message, descriptor.name, redact_text(self.key, value, removed))
            elif isinstance(value, Message):
                removed += self._texts(value)
            elif descriptor.name == "facts":
                removed += self._facts(value)
            elif not isinstance(value, (bytes, int, float)):
                removed += sum((self._texts(m) for m in value if isinstance(m, Message)), Counter[str]())
        return removed

    def _facts(self, facts: Any) -> Counter[str]:
        removed: Counter[str] = Counter()
        for name, value in facts.items():
            if value.text and not _is_clean(f"{name}={value.text}"):
                named = redact_text(self.key, f"{name}={value.text}", removed)
                value.text = named.removeprefix(f"{name}=")
        return removed

    def _log(self, chunk: pb.LogChunk) -> tuple[Removed, ...]:
        try:
            octets = expand_quickly(chunk)
        except DecodeError:
            # Damaged, or packed in a way that a newer agent knows and has redacted before.
            return ()
        log = self._logs.get(chunk.path)
        if log is None:
            log = _Log(Redactor(self.key, find=find_quickly), chunk.offset_bytes == 0)
            self._logs[chunk.path] = log
        before = Counter(log.redactor.removed)
        parts = log.redactor.feed(octets), log.redactor.flush()
        removed = log.redactor.removed - before
        if removed:
            redacted = b"".join(parts)
            chunk.data, chunk.codec, chunk.expanded_bytes = zlib.compress(redacted, 6), "zlib", len(redacted)
        log.add(chunk)
        if chunk.sha256 and log.redactor.removed:
            chunk.sha256 = log.digest()
        return tuple(Removed(chunk.path, rule, values) for rule, values in removed.items())


def _is_clean(text: str) -> bool:
    return len(text) <= _MOST_REMEMBERED and _is_known_clean(text)


@functools.lru_cache(maxsize=16_384)
def _is_known_clean(text: str) -> bool:
    # The same words come in every report. Whether a text holds a secret does not hang on the key.
    return redact_text(b"", text) == text
