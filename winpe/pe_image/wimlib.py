"""Read and change WIM files with wimlib-imagex (https://wimlib.net, Debian package wimtools)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pe_image import wim as program
from pe_image.imaging import Add, Delete, Edit, Rename
from pe_image.wim import Image, WimError


@dataclass(frozen=True, slots=True)
class WimlibTree:
    """One image; each question runs the program once."""

    wim: Path
    index: int

    def paths(self) -> frozenset[str]:
        """Every path of the image."""
        return program.list_paths(self.wim, self.index)

    def hashes(self) -> dict[str, str]:
        """SHA-1 as the WIM records it; nothing is unpacked."""
        return program.file_hashes(self.wim, self.index)

    def read(self, path: str) -> bytes:
        """The octets of one file."""
        return program.read_file(self.wim, self.index, path)

    def extract(self, paths: Sequence[str], folder: Path) -> None:
        """Access rights stay behind: they mean nothing where this runs."""
        named = ["\\" + path for path in paths]
        where = [f"--dest-dir={folder}", "--preserve-dir-structure", "--no-acls", "--no-attributes"]
        program.run(["extract", str(self.wim), str(self.index), *named, *where])


@dataclass(frozen=True, slots=True)
class Wimlib:
    """The wimlib-imagex program."""

    name: str = program.PROGRAM

    def images(self, wim: Path) -> tuple[Image, ...]:
        """Every image, in order."""
        return program.read_images(wim)

    @contextmanager
    def tree(self, wim: Path, index: int) -> Iterator[WimlibTree]:
        """The program keeps nothing open between its runs."""
        yield WimlibTree(wim, index)

    def edit(self, image: tuple[Path, int], edits: Sequence[Edit], *, anew: bool) -> None:
        """One run of `update`: wimlib changes nothing unless all edits can be made."""
        wim, index = image
        commands = "".join(_command(edit) + "\n" for edit in edits)
        rebuild = ["--rebuild"] if anew else []
        program.run(["update", str(wim), str(index), *rebuild], commands.encode())

    def verify(self, wim: Path) -> None:
        """Every octet of every file against its SHA-1 in the WIM."""
        program.run(["verify", str(wim)])


def _command(edit: Edit) -> str:
    match edit:
        case Delete(path):
            return f"delete --recursive {_quoted(_rooted(path))}"
        case Rename(path, to):
            return f"rename {_quoted(_rooted(path))} {_quoted(_rooted(to))}"
        case Add(source, path):
            return f"add {_quoted(str(source))} {_quoted(_rooted(path))}"


def _rooted(path: str) -> str:
    return "\\" + path


def _quoted(text: str) -> str:
    mark = "'" if '"' in text else '"'
    if mark in text or "\n" in text:
        raise WimError(f"{text!r}: wimlib's commands cannot name this path; rename the folder")
    return mark + text + mark
