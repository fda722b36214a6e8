"""Put the agent into a boot image, or take it out again: on a copy, checked, then by one rename."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pe_image.cargo import Orders, load_cargo, payload_octets, sha256_of
from pe_image.errors import ImageError, NotWhole
from pe_image.imaging import Edit, Imaging
from pe_image.look import look
from pe_image.plan import Origin, Plan, plan_of, undo
from pe_image.stamp import Stamp
from pe_image.verify import must_be_clean, must_be_whole, problems_of
from pe_image.wim import Image
from pe_image.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Work:
    """The WIM to read, the one to write (often the same), and the images to change; empty: see `chosen`."""

    wim: Path
    out: Path
    indexes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one image. `changed` is False when it already was as wanted."""

    image: Image
    stamp: Stamp | None
    changed: bool


def chosen(images: Sequence[Image], indexes: Sequence[int]) -> tuple[Image, ...]:
    """The images with these indexes; without any the one that boots, or the only one.

    Raises:
        ImageError: there is no such image, or it is not clear which one is meant.
    """
    if indexes:
        missing = sorted(set(indexes) - {image.index for image in images})
        if missing:
            raise ImageError(f"no image {missing[0]}: the WIM has {len(images)}")
        return tuple(image for image in images if image.index in indexes)
    likely = images if len(images) == 1 else tuple(image for image in images if image.bootable)
    if not likely:
        raise ImageError("several images and none is marked to boot; choose with --index N or --all")
    return tuple(likely)


def inject(imaging: Imaging, work: Work, orders: Orders, at: datetime) -> tuple[Change, ...]:
    """Put payload and hook into the chosen images. A second time with the same orders changes nothing.

    Raises:
        ImageError: something is wrong with the WIM, the orders or the disk; the file is as it was before.
    """
    images = chosen(imaging.images(work.wim), work.indexes)
    with Workplace(work.out) as place:
        unpacked = payload_octets(orders.payload)
        place.must_take(unpacked)
        cargo = load_cargo(orders, place.folder / "cargo")
        origin = Origin(sha256_of(work.wim), orders.way, at)
        plans: dict[int, Plan] = {}
        changes = []
        for image in images:
            with imaging.tree(work.wim, image.index) as tree:
                seen = look(tree)
                plan = plan_of(tree, image, seen, cargo, origin)
                same = seen.stamp is not None and seen.stamp.recipe == plan.stamp.recipe
                if same and not problems_of(tree, seen):
                    changes.append(Change(image, seen.stamp, changed=False))
                    continue
            plans[image.index] = plan
            changes.append(Change(image, plan.stamp, changed=True))
        if plans or not _same(work):
            _rewrite(imaging, place, work, {i: (p.edits, p.anew) for i, p in plans.items()}, unpacked)
            for index, plan in plans.items():
                must_be_whole(imaging, place.wim, index, plan.stamp)
            place.deliver()
    return tuple(changes)


def remove(imaging: Imaging, work: Work) -> tuple[Change, ...]:
    """Give the original files back; without indexes in every image that has an agent.

    Raises:
        ImageError: what was kept of an original is damaged, or no image has an agent; nothing was changed.
    """
    images = imaging.images(work.wim)
    wanted = chosen(images, work.indexes) if work.indexes else images
    undone: dict[int, tuple[tuple[Edit, ...], bool]] = {}
    stamps: dict[int, Stamp] = {}
    for image in wanted:
        with imaging.tree(work.wim, image.index) as tree:
            seen = look(tree)
            if seen.stamp is None:
                continue
            lost = [p for p in problems_of(tree, seen) if p.of_original]
            if lost:
                raise NotWhole(f"image {image.index}: {lost[0].text}; take the original boot image instead")
            undone[image.index] = (undo(seen), True)
            stamps[image.index] = seen.stamp
    if not undone:
        raise ImageError(f"{work.wim}: no agent was put into it")
    with Workplace(work.out) as place:
        _rewrite(imaging, place, work, undone, 0)
        for index, stamp in stamps.items():
            must_be_clean(imaging, place.wim, index, stamp)
        place.deliver()
    return tuple(Change(i, stamps.get(i.index), changed=i.index in stamps) for i in wanted)


def _rewrite(
    imaging: Imaging,
    place: Workplace,
    work: Work,
    edits: dict[int, tuple[tuple[Edit, ...], bool]],
    added_octets: int,
) -> None:
    """Copy the WIM, edit the copy, read all of it again."""
    wim_octets = work.wim.stat().st_size
    anew = any(rewrites for _, rewrites in edits.values())
    # Writing anew makes a second file beside the copy. Equal files are kept once, however many images have them.
    place.must_take(wim_octets * (2 if anew else 1) + added_octets)
    place.copy(work.wim)
    last = max(edits, default=0)
    for index, (steps, _) in sorted(edits.items()):
        imaging.edit((place.wim, index), steps, anew=anew and index == last)
    imaging.verify(place.wim)


def _same(work: Work) -> bool:
    return work.out.resolve() == work.wim.resolve()
