"""What is there to read? A path as people give it becomes streams of octets: a file, a folder's logs, a zip's logs.

Nothing is ever unpacked to disk, and the names in an archive are only shown.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pe_agent import log_places
from pe_agent.encoding import HEAD_OCTETS, encoding_of
from pe_agent.errors import UsageError
from pe_agent.shared_file import open_shared

BLOCK_OCTETS = 1024 * 1024
# A damaged member of an archive loses the block in which the damage shows.
_PACKED_BLOCK_OCTETS = 64 * 1024
# Of one log in an archive no more is unpacked; and of no archive more logs than this.
MOST_UNPACKED_OCTETS = 1024 * 1024 * 1024
MOST_MEMBERS = 1000
_MOST_NAMED = 5
# The other methods can be made to need gigabytes of memory by a few octets.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCODING_WORDS = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE"}
_ENCRYPTED = 0x1
# What else a reader of files meets: damaged archives.
_DAMAGE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)


@dataclass(slots=True)
class Source:
    """A log on its way through the reader; remembers what its octets tell about it."""

    name: str
    open: Callable[[], IO[bytes]]
    packed: bool = False
    octets: int = 0
    _head: bytes = b""
    _tail: bytes = b""
    _zeros: bool = False
    _problems: list[str] = field(default_factory=list)

    def blocks(self) -> Iterator[bytes]:
        """All octets; of a damaged member of an archive, those before the damage.

        Raises:
            UsageError: a file that is no member of an archive cannot be read.
        """
        size = _PACKED_BLOCK_OCTETS if self.packed else BLOCK_OCTETS
        try:
            with self.open() as file:
                while block := file.read(size):
                    self._look_at(block)
                    yield block
                    if self.packed and self.octets >= MOST_UNPACKED_OCTETS:
                        self._problems.append(f"only the first {self.octets} octets were read")
                        return
        except _DAMAGE as exc:
            if not self.packed:
                raise UsageError(f"{self.name}: cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
            self._problems.append(f"damaged or locked: {exc}")

    def notes(self) -> Iterator[str]:
        """What is odd about the octets, one sentence each; complete once they were read."""
        yield from (f"{self.name}: {problem}" for problem in self._problems)
        if self.octets == 0:
            yield f"{self.name}: empty file"
            return
        encoding = encoding_of(self._head)
        if encoding in _ENCODING_WORDS:
            yield f"{self.name}: {_ENCODING_WORDS[encoding]}"
        if self._tail not in (b"\n\0", b"\0\n") and not self._tail.endswith(b"\n"):
            yield f"{self.name}: the file ends in the middle of a line"
        if self._zeros:
            yield f"{self.name}: holds zero octets, as after a crash or a lost power supply"

    def _look_at(self, block: bytes) -> None:
        self._head = self._head or block[:HEAD_OCTETS]
        self._tail = (self._tail + block[-2:])[-2:]
        self._zeros = self._zeros or b"\0\0\0\0" in block
        self.octets += len(block)


def sources_of(path: Path) -> Sequence[Source]:
    """A file is always read; of a folder or a zip, the logs known by name.

    Raises:
        UsageError: there is nothing to read.
    """
    if path.is_dir():
        return _of_folder(path)
    if _is_zip(path):
        return _of_zip(path)
    return [_file(path)]


def not_read(path: Path) -> Iterator[str]:
    """What a folder or an archive holds beside its logs, in one sentence: nothing of it was looked at."""
    if path.is_dir():
        names = sorted(
            str(Path(inside, name).relative_to(path)) for inside, _, names in os.walk(path) for name in names
        )
    elif _is_zip(path):
        names = [member.filename for member in _members(path) if not member.is_dir()]
    else:
        return
    is_log = log_places.table().is_log
    others = [name for name in names if not is_log(_last(name))]
    others += [name for name in names if is_log(_last(name))][MOST_MEMBERS:] if not path.is_dir() else []
    if others:
        more = ", ..." if len(others) > _MOST_NAMED else ""
        yield f"{path}: {len(others)} files not read: {', '.join(others[:_MOST_NAMED])}{more}"


def _last(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _file(path: Path) -> Source:
    return Source(str(path), lambda: open_shared(path))


def _of_folder(folder: Path) -> list[Source]:
    is_log = log_places.table().is_log
    problems: list[OSError] = []
    walk = os.walk(folder, onerror=problems.append)
    found = [Path(inside, name) for inside, _, names in walk for name in names if is_log(name)]
    if not found:
        why = f" ({problems[0].strerror})" if problems else ""
        raise UsageError(f"{folder}: no log known by name in this folder, such as setupact.log or smsts.log{why}")
    return [_file(path) for path in sorted(found)]


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def _members(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise UsageError(f"{path}: no zip archive that can be read: {exc}") from exc


def _of_zip(path: Path) -> list[Source]:
    is_log = log_places.table().is_log
    members = _members(path)
    found = [m for m in members if is_log(_last(m.filename))][:MOST_MEMBERS]
    if not found:
        inner = next((f"; unpack {m.filename} in it first" for m in members if m.filename.lower().endswith(".zip")), "")
        raise UsageError(f"{path}: no log known by name in this archive, such as setupact.log or smsts.log{inner}")
    return [Source(f"{path}!{member.filename}", _opener(path, member), packed=True) for member in found]


def _opener(path: Path, member: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    def open_member() -> IO[bytes]:
        if member.flag_bits & _ENCRYPTED:
            raise RuntimeError("it is locked with a password")
        if member.compress_type not in _METHODS:
            raise NotImplementedError(f"compression method {member.compress_type} is not read")
        # The member keeps the archive's file open until it is closed itself.
        with zipfile.ZipFile(path) as archive:
            return archive.open(member)

    return open_member
