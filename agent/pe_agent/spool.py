"""A report on local media, record by record, so that a reset loses at most the record being written.

Format: the octets `PESPOOL1\\n`, then for each record its length and the CRC-32 of its payload (both 32 bits,
little-endian) and the payload: a serialized pe.v1.Frame, the hello first.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pe_agent.errors import DecodeError, NotKept

MAGIC = b"PESPOOL1\n"
SUFFIX = ".pespool"
_HEADER = struct.Struct("<II")
# No frame an agent writes comes near this; a length above it is damage.
MAX_PAYLOAD_OCTETS = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Damage:
    """A record that cannot be read: `number` from 0 (the hello), `at` octets from the start of the file."""

    number: int
    at: int
    because: str


class Spool:
    """One report's file, open for appending."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file

    @classmethod
    def create(cls, folders: Iterable[Path], name: str) -> Spool:
        """Make `name` in the first folder that lets us.

        Raises:
            NotKept: none does; the message says why for each.
        """
        refusals = []
        for folder in folders:
            path = folder / (name + SUFFIX)
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                # The folder's own handle is kept by the caller of close(): a with block would end too early.
                file = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600), "wb")
                file.write(MAGIC)
            except OSError as exc:
                refusals.append(f"{folder}: {exc.strerror or exc}")
                continue
            return cls(path, file)
        raise NotKept("no folder takes the report: " + ("; ".join(refusals) or "none is known"))

    def append(self, payload: bytes) -> None:
        """Write one record and force it to the medium.

        Raises:
            NotKept: the medium refuses, usually because it is full.
        """
        try:
            self._file.write(_HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise NotKept(f"{self.path}: {exc.strerror or exc}; free some space or attach a USB drive") from exc

    def close(self) -> None:
        """Close the file, keep it."""
        self._file.close()

    def discard(self) -> None:
        """Close and remove it: the collector has the report."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def read_records(octets: bytes) -> Iterator[bytes | Damage]:
    """The payloads of a spool file in order; where a record is damaged, a Damage in its place.

    After damage the next record that is whole is searched for, so that only the damaged one is lost.

    Raises:
        DecodeError: the octets do not begin as a spool file does.
    """
    if not octets.startswith(MAGIC):
        raise DecodeError("not a report bundle: it does not begin with PESPOOL1")
    at, number = len(MAGIC), 0
    while at < len(octets):
        payload = _payload_at(octets, at)
        if payload is not None:
            yield payload
            at += _HEADER.size + len(payload)
            number += 1
            continue
        found = next((n for n in range(at + 1, len(octets)) if _payload_at(octets, n)), len(octets))
        yield Damage(number, at, f"{found - at} octets do not pass their checksum")
        at, number = found, number + 1


def _payload_at(octets: bytes, at: int) -> bytes | None:
    if at + _HEADER.size > len(octets):
        return None
    length, checksum = _HEADER.unpack_from(octets, at)
    end = at + _HEADER.size + length
    # A frame is never empty, and eight zero octets would pass as an empty record.
    if not 0 < length <= MAX_PAYLOAD_OCTETS or end > len(octets):
        return None
    payload = octets[at + _HEADER.size : end]
    return payload if zlib.crc32(payload) == checksum else None


_BINARY = getattr(os, "O_BINARY", 0)
