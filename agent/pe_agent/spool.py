"""A report on local media, record by record, so that a reset loses at most the record being written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from pe_agent.bundle import MAGIC, SUFFIX, encode_record
from pe_agent.errors import NotKept

_BINARY = getattr(os, "O_BINARY", 0)


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
            self._file.write(encode_record(payload))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise NotKept(f"{self.path}: {exc.strerror or exc}; free some space or attach a USB drive") from exc

    def moved(self, folders: Iterable[Path], name: str, payloads: Callable[[], Iterable[bytes]]) -> Spool:
        """The whole report anew in the first of these folders that takes it; what this file has of it goes.

        The medium of this file may be full, or gone with all that was written to it.

        Raises:
            NotKept: none takes it; the message says why for each.
        """
        refusals = []
        for folder in folders:
            try:
                other = Spool.create((folder,), name)
                other._take(payloads())
            except NotKept as exc:
                refusals.append(str(exc))
                continue
            self.discard()
            return other
        raise NotKept("; ".join(refusals) or "there is no other folder")

    def _take(self, payloads: Iterable[bytes]) -> None:
        """All of them, or no file."""
        try:
            for payload in payloads:
                self.append(payload)
        except NotKept:
            self.discard()
            raise

    def close(self) -> None:
        """Close the file, keep it. Every record was forced to the medium, or its loss was told, before this."""
        with contextlib.suppress(OSError):
            self._file.close()

    def discard(self) -> None:
        """Close and remove it: the collector has the report. A medium that keeps it leaves one to be sent twice."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
