"""What is asked of a program that can change WIM files: one protocol, wimlib everywhere, DISM on Windows without it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pe_image.wim import PROGRAM, Image


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a file, or a folder with all that is in it."""

    path: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Move a file inside the image; its times, attributes and access rights go with it."""

    path: str
    to: str


@dataclass(frozen=True, slots=True)
class Add:
    """Copy a file, or a folder with all that is in it, into the image."""

    source: Path
    path: str


Edit = Delete | Rename | Add


class Tree(Protocol):
    """One image of a WIM. Paths have backslashes and no leading one; case does not matter."""

    def paths(self) -> frozenset[str]:
        """Every path of the image as it is written there."""

    def hashes(self) -> dict[str, str]:
        """Path -> a hash of each file's octets, the same algorithm for all; empty for folders and empty files."""

    def read(self, path: str) -> bytes:
        """The octets of one file."""

    def extract(self, paths: Sequence[str], folder: Path) -> None:
        """Copy files or folders out, each to its own path below `folder`."""


class Imaging(Protocol):
    """A program that reads and changes WIM files; every method raises WimError."""

    @property
    def name(self) -> str:
        """What the program is called."""

    def images(self, wim: Path) -> tuple[Image, ...]:
        """Every image, in order."""

    def tree(self, wim: Path, index: int) -> AbstractContextManager[Tree]:
        """Open one image to look at."""

    def edit(self, image: tuple[Path, int], edits: Sequence[Edit], *, anew: bool) -> None:
        """Apply edits in order, all or none; `anew` also writes the WIM without the octets nothing refers to."""

    def verify(self, wim: Path) -> None:
        """Read everything and compare it with the hashes the WIM holds."""


def this_imaging() -> Imaging:
    """The program wimlib-imagex where it is installed; on Windows without it DISM, which is part of the system."""
    if sys.platform == "win32" and shutil.which(PROGRAM) is None:
        from pe_image.dism import Dism  # noqa: PLC0415 - only here is it wanted

        return Dism()
    from pe_image.wimlib import Wimlib  # noqa: PLC0415 - it uses the words of this module

    return Wimlib()
