"""Which files differ between two WIMs, image by image?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pe_image.imaging import Imaging


@dataclass(frozen=True, slots=True)
class Difference:
    """One image in both WIMs: paths that only the second has, that differ, that only the first has."""

    index: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def diff(imaging: Imaging, before: Path, after: Path) -> tuple[Difference, ...]:
    """Compare images of the same index; an image that one WIM lacks counts as empty. Folders count by their name."""
    indexes = {image.index for wim in (before, after) for image in imaging.images(wim)}
    return tuple(
        _compared(index, _hashes(imaging, before, index), _hashes(imaging, after, index)) for index in sorted(indexes)
    )


def _hashes(imaging: Imaging, wim: Path, index: int) -> dict[str, str]:
    if index not in {image.index for image in imaging.images(wim)}:
        return {}
    with imaging.tree(wim, index) as tree:
        return tree.hashes()


def _compared(index: int, before: dict[str, str], after: dict[str, str]) -> Difference:
    old, new = ({path.lower(): path for path in side} for side in (before, after))
    return Difference(
        index=index,
        added=tuple(sorted(new[key] for key in new.keys() - old.keys())),
        changed=tuple(sorted(new[key] for key in new.keys() & old.keys() if before[old[key]] != after[new[key]])),
        removed=tuple(sorted(old[key] for key in old.keys() - new.keys())),
    )
