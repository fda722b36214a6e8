"""What does an agent, old or foreign, send that must not be kept? Every frame is redacted again before it is stored.

A frame without secrets stays octet for octet. What this version cannot unpack is kept as it came.
"""

from __future__ import annotations

import functools
import hashlib
import os
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from pe_agent import wire
from pe_agent.errors import DecodeError, UsageError
from pe_agent.redact import Redactor, redact_text
from pe_protos.v1 import report_pb2 as pb

from pe_collector.store.rows import Removed

KEY_FILE = "redaction.key"
_KEY_OCTETS = 32
_MOST_REMEMBERED = 256


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
    """One log on its way through. `sha256` is None when its beginning was not seen here."""

    redactor: Redactor
    sha256: hashlib._Hash | None


@dataclass(slots=True)
class ReportRedaction:
    """The frames of one report, in order."""

    key: bytes
    _logs: dict[str, _Log] = field(default_factory=dict)

    def redact(self, frame: pb.Frame, octets: bytes) -> tuple[bytes, tuple[Removed, ...]]:
        """The frame's octets without secrets, and what was removed; the frame itself is changed too."""
        if frame.WhichOneof("body") == "log":
            removed = self._log(frame.log)
        else:
            removed = tuple(
                Removed(frame.WhichOneof("body") or "", rule, values) for rule, values in self._texts(frame).items()
            )
        changed = removed or (frame.WhichOneof("body") == "log" and self._is_changed(frame.log.path))
        return (frame.SerializeToString() if changed else octets), removed

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
            octets = wire.expand_chunk(chunk)
        except DecodeError:
            # Damaged, or packed in a way that a newer agent knows and has redacted before.
            return ()
        log = self._logs.setdefault(
            chunk.path, _Log(Redactor(self.key), hashlib.sha256() if chunk.offset_bytes == 0 else None)
        )
        before = Counter(log.redactor.removed)
        redacted = log.redactor.feed(octets) + log.redactor.flush()
        removed = log.redactor.removed - before
        if not removed:
            redacted = octets
        if log.sha256 is not None:
            log.sha256.update(redacted)
        if removed:
            chunk.data, chunk.codec, chunk.expanded_bytes = zlib.compress(redacted, 6), "zlib", len(redacted)
        if chunk.sha256 and log.redactor.removed:
            chunk.sha256 = log.sha256.digest() if log.sha256 is not None else b""
        return tuple(Removed(chunk.path, rule, values) for rule, values in removed.items())


def _is_clean(text: str) -> bool:
    return len(text) <= _MOST_REMEMBERED and _is_known_clean(text)


@functools.lru_cache(maxsize=16_384)
def _is_known_clean(text: str) -> bool:
    # The same words come in every report. Whether a text holds a secret does not hang on the key.
    return redact_text(b"", text) == text
