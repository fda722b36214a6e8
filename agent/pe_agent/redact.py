"""What stands where a secret stood? Octets or text in, the same without secrets out.

A secret becomes `[redacted:` and eight hexadecimal digits `]`, made with a key (HMAC-SHA256): the same secret is the
same word in every log and report that shares the key, and cannot be guessed without it. What holds no secret comes
back octet for octet. What stands for a secret already stays.
"""

from __future__ import annotations

import codecs
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

from pe_agent.encoding import HEAD_OCTETS, MARKS, NARROW, encoding_of
from pe_agent.model import FactValue, LogChunk, Observation
from pe_agent.redaction import Span, Unclosed, find_secrets

# An unfinished line is held back up to this many octets; of those, a secret that may go on has _OVERLAP.
MOST_HELD = 128 * 1024
_OVERLAP = 8 * 1024
_DIGITS = 8
# Plain text read as UTF-16 looks like Chinese; in octets it is only ASCII, or ASCII and zeroes a place off.
_FEWEST_STRAY = 6
_LIKE_CHINESE = re.compile(rb"[\xe0-\xe7][\x80-\xbf]{2}(?:[\xe0-\xe7][\x80-\xbf]{2}){%d,}" % (_FEWEST_STRAY - 1))
_STRAY = re.compile(rb"[\t\r\n\x20-\x7e\0]{%d,}" % (2 * _FEWEST_STRAY))
_Spoken = TypeVar("_Spoken")
Find = Callable[[bytes, Unclosed | None], tuple[list[Span], Unclosed | None]]


@dataclass(slots=True)
class Redactor:
    """One file or other stream of octets: `feed` its pieces in order, then `finish`. `removed` counts by rule.

    `find` is find_secrets, or what answers the same in less time.
    A stream that begins as UTF-16 is decoded until something else comes; anything else is taken octet by octet,
    whatever its encoding, and zeroes in it are passed over: programs append UTF-16 to other logs, and the reverse.
    """

    key: bytes
    removed: Counter[str] = field(default_factory=Counter)
    find: Find = find_secrets
    _wide: _Wide | None = None
    _begun: bool = False
    _held: bytes = b""
    # So much of _held has been handed out before and is there only for what comes after it.
    _done: int = 0
    _unclosed: Unclosed | None = None

    def feed(self, octets: bytes) -> bytes:
        """What is certain now: all whole lines."""
        if not self._begun:
            octets, self._held = self._held + octets, b""
            if not _is_known(octets):
                self._held = octets
                return b""
            octets = self._begin(octets)
        else:
            octets = self._wide.narrow(octets) if self._wide else octets
        self._held += octets
        return self._leave_utf16() + self._whole_lines()

    def _whole_lines(self) -> bytes:
        end = self._held.rfind(b"\n") + 1
        redacted = b""
        if end:
            redacted = self._take(end)
        if len(self._held) - self._done > MOST_HELD:
            redacted += self._take(self._until())
        return self._wide.widen(redacted) if self._wide else redacted

    def _leave_utf16(self) -> bytes:
        """What comes before the place where UTF-16 ends, if it ends here; from there on nothing is decoded."""
        wide = self._wide
        stray = _stray(self._held, self._done, wide) if wide else None
        if wide is None or stray is None:
            return b""
        redacted = wide.widen(self._take(stray))
        self._wide = None
        self._held, self._done = wide.widen(self._held[self._done :]) + wide.odd(), 0
        return redacted

    def flush(self) -> bytes:
        """What was held back, though its line may go on: of a secret cut in two each part is replaced."""
        if not self._begun:
            self._held = self._begin(self._held)
        left = self._leave_utf16()
        redacted = self._take(len(self._held))
        return left + (self._wide.widen(redacted) if self._wide else redacted)

    def finish(self) -> bytes:
        """Everything that was held back; nothing follows."""
        return self.flush() + (self._wide.odd() if self._wide else b"")

    def _begin(self, head: bytes) -> bytes:
        self._begun = True
        encoding = NARROW if _has_narrow_line(head) else encoding_of(head)
        self._wide = _Wide(encoding) if encoding != NARROW else None
        return self._wide.narrow(head) if self._wide else head

    def _until(self) -> int:
        """Of a line without end, where no secret is cut in two."""
        until = len(self._held) - _OVERLAP
        spans, _ = self._spans(self._held)
        across = next((s for s in spans if s.start < until < s.end), None)
        if across is not None:
            return across.start if across.start > self._done else across.end
        return _border(self._held, until)

    def _take(self, until: int) -> bytes:
        """Hand out what is held up to `until`; of a line that goes on the end is kept to look back at."""
        octets = self._held[:until]
        spans, self._unclosed = self._spans(octets)
        parts, at = [], self._done
        for span in spans:
            if span.end > at:
                start, end = max(at, span.start), _border(octets, span.end) if self._wide else span.end
                parts += [octets[at:start], self._word(octets[start:end])]
                self.removed[span.rule] += 1
                at = end
        kept_from = until if octets.endswith(b"\n") else max(0, until - _OVERLAP)
        self._held, self._done = self._held[kept_from:], until - kept_from
        return b"".join((*parts, octets[at:]))

    def _spans(self, octets: bytes) -> tuple[list[Span], Unclosed | None]:
        """Where secrets are; zeroes are no part of a text that is not decoded."""
        if self._wide or b"\0" not in octets:
            return self.find(octets, self._unclosed)
        spans, unclosed = self.find(octets.replace(b"\0", b""), self._unclosed)
        if not spans:
            return spans, unclosed
        places = [at for at, octet in enumerate(octets) if octet]
        return [Span(places[s.start], places[s.end - 1] + 1, s.rule) for s in spans], unclosed

    def _word(self, secret: bytes) -> bytes:
        plain = secret.replace(b"\0", b"")
        word = f"[redacted:{digest(self.key, plain)}]".encode("ascii")
        # In UTF-16 the zero before the secret, or the one after it, is still there.
        return word if plain == secret else b"\0".join(bytes([octet]) for octet in word)


def _is_known(head: bytes) -> bool:
    """Can the encoding be told? A short log that is followed while it grows must not wait for more than its lines."""
    return len(head) >= HEAD_OCTETS or head[:2] in MARKS or _has_narrow_line(head)


def _has_narrow_line(head: bytes) -> bool:
    """Its first line is whole and ASCII; the answer is the same however much of the file is there."""
    line, ended, _ = head[:HEAD_OCTETS].partition(b"\n")
    return bool(line and ended) and line.isascii() and b"\0" not in line


def _border(octets: bytes, at: int) -> int:
    """The first place from `at` on that is not inside a character of UTF-8, which has at most four octets."""
    return next((p for p in range(at, min(at + 3, len(octets))) if octets[p] & 0xC0 != 0x80), at)


class _Wide:
    """UTF-16 to UTF-8 and back; lone surrogates and half characters survive."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")

    def narrow(self, octets: bytes) -> bytes:
        return self._decoder.decode(octets).encode("utf-8", "surrogatepass")

    def widen(self, octets: bytes) -> bytes:
        return octets.decode("utf-8", "surrogatepass").encode(self._encoding, "surrogatepass")

    def odd(self) -> bytes:
        """The octets at the end that are no whole character."""
        return self._decoder.getstate()[0]


def _stray(octets: bytes, start: int, wide: _Wide) -> int | None:
    """Where text that is no UTF-16 begins in decoded octets; each of its characters there has three instead of two."""
    for run in _LIKE_CHINESE.finditer(octets, start) if not octets.isascii() else ():
        found = _STRAY.search(wide.widen(run[0]))
        if found:
            return run.start() + (found.start() + 1) // 2 * 3
    return None


def digest(key: bytes, secret: bytes) -> str:
    """The digits that stand for a secret; octets that are no UTF-8 count as the code page of Western Windows."""
    try:
        text = secret.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = secret.decode("cp1252", "replace")
    octets = text.encode("utf-8", "surrogatepass")
    return hmac.new(key, octets, hashlib.sha256).hexdigest()[:_DIGITS]


def redact_text(key: bytes, text: str, removed: Counter[str] | None = None) -> str:
    """A text without its secrets."""
    octets = text.encode("utf-8", "surrogatepass")
    redactor = Redactor(key, Counter() if removed is None else removed, _begun=True)
    return (redactor.feed(octets) + redactor.finish()).decode("utf-8", "surrogatepass")


def redact_values(key: bytes, spoken: _Spoken) -> _Spoken:
    """A record of a report with every text in it redacted; log chunks come redacted from their reader."""
    if isinstance(spoken, LogChunk) or not is_dataclass(spoken) or isinstance(spoken, type):
        return spoken
    plain: Any = spoken
    changed = {f.name: _value(key, getattr(plain, f.name)) for f in fields(plain)}
    if isinstance(spoken, Observation):
        facts = {name: _fact(key, name, value) for name, value in spoken.facts.items()}
        changed["facts"] = MappingProxyType(facts)
    redacted: _Spoken = replace(plain, **changed)
    return redacted


def _fact(key: bytes, name: str, value: FactValue) -> FactValue:
    """A fact's name may be what says that its value is a secret."""
    if type(value) is not str or not value:
        return value
    named = redact_text(key, f"{name}={value}")
    return named.removeprefix(f"{name}=")


def _value(key: bytes, value: Any) -> Any:
    if type(value) is str:
        return redact_text(key, value) if value else value
    if type(value) is tuple:
        return tuple(_value(key, inner) for inner in value)
    return redact_values(key, value) if is_dataclass(value) else value
