"""A report on local media, record by record, so that a reset loses at most the record being written."""

from __future__ import annotations

import os
from collections.abc import Iterable
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

    def close(self) -> None:
        """Close the file, keep it."""
        self._file.close()

    def discard(self) -> None:
        """Close and remove it: the collector has the report."""
        self._file.close()
        self.path.unlink(missing_ok=True)
