"""The form of a report on local media, octets in and out: records with a length and a checksum each.

`PESPOOL1\\n`, then for each record the length and the CRC-32 of its payload (32 bits each, little-endian) and the
payload: a serialized pe.v1.Frame, the hello first.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pe_agent.errors import DecodeError

MAGIC = b"PESPOOL1\n"
SUFFIX = ".pespool"
# No frame an agent writes comes near this; a length above it is damage.
MOST_PAYLOAD_OCTETS = 8 * 1024 * 1024
_HEAD = struct.Struct("<II")
# Field 1, varint: every frame after the hello begins with its sequence, so looking for that keeps the search short.
_SEQUENCE_TAG = b"\x08"


@dataclass(frozen=True, slots=True)
class Damage:
    """Octets that pass no checksum, from `at` to `until` in the file."""

    at: int
    until: int


def encode_record(payload: bytes) -> bytes:
    """One record."""
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def encode_bundle(payloads: Iterable[bytes]) -> bytes:
    """A whole bundle."""
    return MAGIC + b"".join(map(encode_record, payloads))


def read_bundle(octets: bytes) -> Iterator[bytes | Damage]:
    """Payloads in order, and in place of what is damaged a Damage; the next whole record is searched for.

    Raises:
        DecodeError: the octets do not begin as a bundle does, and no record stands behind where that would be.
    """
    at = len(MAGIC)
    if not octets.startswith(MAGIC):
        if _payload(octets, at) is None:
            raise DecodeError("not a report bundle: it does not begin with PESPOOL1")
        yield Damage(0, at)
    while at < len(octets):
        payload = _payload(octets, at)
        if payload is None:
            until = _next_record(octets, at + 1)
            yield Damage(at, until)
            at = until
        else:
            yield payload
            at += _HEAD.size + len(payload)


class BundleStream:
    """A bundle that comes in pieces and was not damaged on the way: records as soon as they are whole."""

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The payloads that these octets complete.

        Raises:
            DecodeError: what came is no bundle, or passes no checksum.
        """
        self._held += octets
        at = 0
        if not self._begun:
            if not MAGIC.startswith(self._held[: len(MAGIC)]):
                raise DecodeError("not a report bundle: it does not begin with PESPOOL1")
            if len(self._held) < len(MAGIC):
                return
            self._begun, at = True, len(MAGIC)
        while self._is_whole(at):
            payload = _payload(self._held, at)
            if payload is None:
                raise DecodeError("a record passes no checksum")
            at += _HEAD.size + len(payload)
            yield payload
        self._held = self._held[at:]

    def end(self) -> None:
        """Nothing follows.

        Raises:
            DecodeError: the last record is not whole, or there was none.
        """
        if self._held or not self._begun:
            raise DecodeError("the bundle ends inside a record")

    def _is_whole(self, at: int) -> bool:
        if at + _HEAD.size > len(self._held):
            return False
        length: int = _HEAD.unpack_from(self._held, at)[0]
        return length > MOST_PAYLOAD_OCTETS or at + _HEAD.size + length <= len(self._held)


def _next_record(octets: bytes, at: int) -> int:
    while (found := octets.find(_SEQUENCE_TAG, at + _HEAD.size)) >= 0:
        at = found - _HEAD.size
        if _payload(octets, at) is not None:
            return at
        at += 1
    return len(octets)


def _payload(octets: bytes, at: int) -> bytes | None:
    if at + _HEAD.size > len(octets):
        return None
    length, checksum = _HEAD.unpack_from(octets, at)
    start, end = at + _HEAD.size, at + _HEAD.size + length
    # A frame is never empty; zeroes at the end of a file would pass as empty records.
    if not 0 < length <= MOST_PAYLOAD_OCTETS or end > len(octets):
        return None
    payload = octets[start:end]
    return payload if zlib.crc32(payload) == checksum else None
