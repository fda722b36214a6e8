"""What is in an image today: its paths, its kind, what was put in before."""

from __future__ import annotations

from dataclasses import dataclass

from pe_image.errors import ImageError, NotWhole
from pe_image.hooks import FOLDER
from pe_image.imaging import Tree
from pe_image.kinds import INI_PATH, Kind, kind_of, load_kinds
from pe_image.stamp import STAMP_PATH, Stamp, original_path, read_stamp
from pe_image.text_form import read_script


@dataclass(frozen=True, slots=True)
class Look:
    """One image as it is. `stamp` is None when nothing was put in; `kind` is the kind without what was put in."""

    paths: frozenset[str]
    kind: Kind | None
    stamp: Stamp | None

    def has(self, path: str) -> bool:
        """Whether the image has this path; case does not matter."""
        return path.lower() in {p.lower() for p in self.paths}


def look(tree: Tree) -> Look:
    """Read what decides how an image is treated.

    Raises:
        NotWhole: what was put in before cannot be understood.
    """
    paths = tree.paths()
    lowered = {path.lower() for path in paths}
    kinds = load_kinds()
    if STAMP_PATH.lower() in lowered:
        stamp = read_stamp(tree.read(STAMP_PATH))
        return Look(paths, next((kind for kind in kinds if kind.id == stamp.kind), None), stamp)
    ini = read_script(tree.read(INI_PATH)).text if INI_PATH.lower() in lowered else None
    return Look(paths, kind_of(ini, paths, kinds), None)


def must_be_free(seen: Look) -> None:
    """An image with a \\pe-agent of somebody else is left alone.

    Raises:
        ImageError: it has one.
    """
    if seen.stamp is None and seen.has(FOLDER):
        raise ImageError(rf"the image has a folder \{FOLDER} that pe-image did not make; remove or rename it first")


def original(tree: Tree, seen: Look, path: str) -> bytes | None:
    """The octets a file had before anything was put in; None when there was no such file.

    Raises:
        NotWhole: the image has lost what was kept of it.
    """
    if seen.stamp is None or path not in seen.stamp.originals:
        return tree.read(path) if seen.has(path) else None
    if not seen.stamp.originals[path]:
        return None
    kept = original_path(path)
    if not seen.has(kept):
        raise NotWhole(rf"the image has lost \{kept}; inject into the original boot image again")
    return tree.read(kept)
