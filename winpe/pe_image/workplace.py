"""How is a WIM changed so that there is never a half-written one? Beside it, then by one rename."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from pe_image.errors import ImageError

_SUFFIX = ".pe-image"
# Directory entries, metadata and rounding.
_RESERVE_OCTETS = 8 << 20


class Workplace:
    """A folder beside `target` that is gone afterwards, however the work ended."""

    def __init__(self, target: Path) -> None:
        self.target = target.resolve()
        self.folder = self.target.with_name(f"{self.target.name}.{os.getpid()}{_SUFFIX}")
        self.wim = self.folder / "boot.wim"

    def __enter__(self) -> Self:
        """Make the folder; what killed runs have left behind is removed first."""
        try:
            for path in self.target.parent.iterdir():
                if _is_leftover(path, self.target.name):
                    shutil.rmtree(path, ignore_errors=True)
            self.folder.mkdir(mode=0o700)
        except OSError as exc:
            raise ImageError(f"{self.target.parent}: {exc.strerror}") from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def must_take(self, octets: int) -> None:
        """Check that the disk has room for that much more.

        Raises:
            ImageError: it has not.
        """
        free = shutil.disk_usage(self.folder).free
        needed = octets + _RESERVE_OCTETS
        if free < needed:
            raise ImageError(
                f"{self.target.parent}: {_megabytes(needed)} are needed and {_megabytes(free)} are free; "
                "make room, or name another place with --out"
            )

    def copy(self, wim: Path) -> None:
        """Take a copy of the WIM to work on."""
        try:
            shutil.copyfile(wim, self.wim)
            shutil.copymode(wim, self.wim)
        except OSError as exc:
            raise ImageError(f"{self.wim}: {exc.strerror}") from exc

    def deliver(self) -> None:
        """Put the copy in the place of the target: all of it on the medium first, then one rename."""
        try:
            with self.wim.open("r+b") as file:
                os.fsync(file.fileno())
            self.wim.replace(self.target)
            _sync_folder(self.target.parent)
        except OSError as exc:
            raise ImageError(f"{self.target}: {exc.strerror}; it is as it was before") from exc


def _is_leftover(path: Path, name: str) -> bool:
    """A work folder for the same target whose process is gone."""
    if not (path.name.startswith(name + ".") and path.name.endswith(_SUFFIX)):
        return False
    pid = path.name[len(name) + 1 : -len(_SUFFIX)]
    return pid.isascii() and pid.isdigit() and not _runs(int(pid))


def _runs(pid: int) -> bool:
    """On Windows files in use cannot be removed, so nobody has to be asked there."""
    if sys.platform == "win32":
        return False
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _megabytes(octets: int) -> str:
    return f"{octets / 1e6:.0f} MB"
