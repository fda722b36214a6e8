"""What does the audit read from an image, and what from a Windows of the same build?"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pe_image.audit import SYSTEM_FOLDER, Lack, Problem, SystemFolder, When, audit, audit_table
from pe_image.errors import ImageError
from pe_image.imaging import Tree, this_imaging
from pe_image.payload_zip import UNREADABLE
from pe_image.pe_headers import machine_of
from pe_image.wim import Image

# A WIM and the number of an image in it.
Source = tuple[Path, int]
_SYSTEM32 = "Windows\\System32\\"
# CM_KEY_VALUE of a registry hive: signature, length of the name, length of the data, data, type, flags, spare.
_VALUE_CELL = struct.Struct("<2sHIIIHH")
_DATA_IS_INLINE = 0x80000000
_MOST_ROUNDS = 8


def read_payload(path: Path) -> dict[str, bytes]:
    """The files of a payload by path.

    Raises:
        ImageError: it is no zip that can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
    except UNREADABLE as exc:
        raise ImageError(f"{path}: {exc}; name the zip that `pe-image payload` wrote") from exc


def choose_image(wim: Path, index: int) -> Image:
    """One image of a WIM by its number.

    Raises:
        ImageError: there is none of that number, or the WIM cannot be read.
    """
    images = this_imaging().images(wim)
    for image in images:
        if image.index == index:
            return image
    raise ImageError(f"{wim} has no image {index}; it has 1 to {len(images)}")


def system_folder(tree: Tree, image: Image) -> SystemFolder:
    """System32 of an image as the audit wants it."""
    lowered = (path.lower() for path in tree.paths())
    names = (path.removeprefix(SYSTEM_FOLDER) for path in lowered if path.startswith(SYSTEM_FOLDER))
    in_it = frozenset(name for name in names if "\\" not in name)
    return SystemFolder(image.architecture, in_it, lambda name: tree.read(_SYSTEM32 + name))


def audit_image(wim: Path, image: Image, payload: Mapping[str, bytes]) -> tuple[Problem, ...]:
    """Everything the image lacks for the payload.

    Raises:
        ImageError: the WIM cannot be read.
    """
    with this_imaging().tree(wim, image.index) as tree:
        system = system_folder(tree, image)
        return (*audit(payload, system), *_scratch_problems(tree))


def take_missing(wim: Path, image: Image, payload: Mapping[str, bytes], source: Source) -> dict[str, bytes]:
    """DLLs that the image lacks, and those they need themselves, from a Windows of the same build, by payload path.

    Raises:
        ImageError: the source is of another build or architecture, or a WIM cannot be read.
    """
    other = choose_image(*source)
    _refuse_other_build(image, other)
    taken: dict[str, bytes] = {}
    with this_imaging().tree(wim, image.index) as tree, this_imaging().tree(*source) as donor:
        system, shelf = system_folder(tree, image), system_folder(donor, other)
        for _ in range(_MOST_ROUNDS):
            problems = audit({**payload, **taken}, system)
            lacking = {p.name for p in problems if p.lack is Lack.MISSING and p.needed} & shelf.names
            if not lacking:
                break
            taken |= {name: _taken(shelf, name) for name in sorted(lacking)}
    return taken


def scratch_mb(hive: bytes, value: str) -> int | None:
    """A DWORD by its name in a registry hive, looked for in its value cells; None when there is none."""
    name = value.encode("ascii")
    at = hive.find(name)
    while at >= 0:
        start = at - _VALUE_CELL.size
        if start >= 0:
            signature, length, size, data, kind, *_ = _VALUE_CELL.unpack_from(hive, start)
            if (signature, length, size, kind) == (b"vk", len(name), _DATA_IS_INLINE | 4, 4):
                return int(data)
        at = hive.find(name, at + 1)
    return None


def _taken(shelf: SystemFolder, name: str) -> bytes:
    octets = shelf.read(name)
    machine = machine_of(octets)
    if shelf.architecture and machine != shelf.architecture:
        raise ImageError(f"{name} of the Windows to take it from is for {machine or 'no machine'}")
    return octets


def _refuse_other_build(image: Image, other: Image) -> None:
    """Files of one build need the others of that build; a service pack number may differ."""
    mine, theirs = (row.build.split(".")[:3] for row in (image, other))
    if mine != theirs or image.architecture != other.architecture:
        raise ImageError(
            f"image {image.index} is {image.architecture} build {image.build or 'not known'}, the Windows to take "
            f"from is {other.architecture} build {other.build or 'not known'}; name one of the same build"
        )


def _scratch_problems(tree: Tree) -> tuple[Problem, ...]:
    table = audit_table()["scratch"]
    if table["hive"].lower() not in {path.lower() for path in tree.paths()}:
        return ()
    size = scratch_mb(tree.read(table["hive"]), table["value"])
    size = table["default_mb"] if size is None else size
    if size >= table["two_logs_mb"]:
        return ()
    enough = next(mb for mb in table["sizes_mb"] if mb >= table["two_logs_mb"])
    detail = f"{size} MB, a report that nobody takes may need {table['two_logs_mb']} MB"
    fix = f"dism /Set-ScratchSpace:{enough}"
    needed = size < table["one_log_mb"]
    return (Problem(Lack.SCRATCH_SPACE, "X:", (), When.RUN_TIME, needed=needed, detail=detail, fix=fix),)
