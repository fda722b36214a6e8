"""Is the agent in the image, with which payload, and whole?"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pe_image.cargo import sha256_of
from pe_image.errors import NotWhole
from pe_image.hooks import FOLDER
from pe_image.imaging import Imaging, Tree
from pe_image.look import Look, look
from pe_image.stamp import ORIGINAL_FOLDER, STAMP_PATH, Stamp, original_path
from pe_image.wim import Image


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as the stamp says; `of_original`: it concerns what `remove` gives back."""

    text: str
    of_original: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """The answer for one image; `stamp` None: no agent is in it."""

    image: Image
    stamp: Stamp | None
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether an agent is in it and nothing of it is missing or changed."""
        return self.stamp is not None and not self.problems


def verify(imaging: Imaging, wim: Path, images: Sequence[Image]) -> tuple[Check, ...]:
    """Read the whole WIM against its own hashes, then each image against its stamp."""
    imaging.verify(wim)
    checks = []
    for image in images:
        with imaging.tree(wim, image.index) as tree:
            try:
                seen = look(tree)
            except NotWhole as exc:
                checks.append(Check(image, None, (str(exc),)))
                continue
            checks.append(Check(image, seen.stamp, tuple(p.text for p in problems_of(tree, seen))))
    return tuple(checks)


def problems_of(tree: Tree, seen: Look) -> tuple[Problem, ...]:
    """Every file of the stamp, taken out and hashed; files in \\pe-agent that the stamp does not know."""
    if seen.stamp is None:
        return ()
    stamp = seen.stamp
    kept = {original_path(path): before for path, before in stamp.originals.items() if before}
    wanted = dict(stamp.files) | kept
    missing = [path for path in wanted if not seen.has(path)]
    problems = [Problem(rf"\{path} is missing", path in kept) for path in missing]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree.extract([FOLDER, *(p for p in stamp.originals if seen.has(p))], folder)
        found = {str(p.relative_to(folder)).replace("/", "\\").lower(): p for p in folder.rglob("*") if p.is_file()}
        for path, digest in wanted.items():
            if path not in missing and _digest(found.get(path.lower())) != digest:
                problems.append(Problem(rf"\{path} is not what was put there", path in kept))
    known = {path.lower() for path in (*wanted, STAMP_PATH)}
    strangers = sorted(path for path in found if path not in known and not path.startswith(ORIGINAL_FOLDER.lower()))
    return (*problems, *(Problem(rf"\{path} was not put there by pe-image") for path in strangers))


def _digest(path: Path | None) -> str:
    """Empty where a folder has taken the place of a file."""
    return sha256_of(path) if path else ""


def must_be_whole(imaging: Imaging, wim: Path, index: int, stamp: Stamp) -> None:
    """Check an image that was just changed.

    Raises:
        NotWhole: it does not hold what it should.
    """
    with imaging.tree(wim, index) as tree:
        seen = look(tree)
        problems = problems_of(tree, seen)
    if seen.stamp != stamp or problems:
        text = problems[0].text if problems else "its stamp is not the one that was written"
        raise NotWhole(f"image {index}: {text}")


def must_be_clean(imaging: Imaging, wim: Path, index: int, stamp: Stamp) -> None:
    """Check an image that the agent was just taken out of: each original is back, nothing else is left.

    Raises:
        NotWhole: it is not so.
    """
    with imaging.tree(wim, index) as tree, tempfile.TemporaryDirectory() as name:
        seen = look(tree)
        given_back = [path for path, before in stamp.originals.items() if before]
        if given_back:
            tree.extract(given_back, Path(name))
        for path in given_back:
            if sha256_of(Path(name).joinpath(*path.split("\\"))) != stamp.originals[path]:
                raise NotWhole(rf"image {index}: \{path} is not what it was")
    left = [path for path, before in stamp.originals.items() if not before and seen.has(path)]
    if left or seen.has(FOLDER):
        raise NotWhole(rf"image {index}: \{left[0] if left else FOLDER} is still there")
