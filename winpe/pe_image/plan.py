"""What has to be done to one image so that it holds the agent, and so that it does not any more."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pe_image.cargo import Cargo
from pe_image.errors import ImageError
from pe_image.hooks import COMMAND_PATH, COMMAND_SCRIPT, FOLDER, Scene, Way, way_of
from pe_image.imaging import Add, Delete, Edit, Rename, Tree
from pe_image.look import Look, must_be_free, original
from pe_image.stamp import STAMP_PATH, Stamp, image_build_of, original_path, recipe_of
from pe_image.text_form import read_script
from pe_image.wim import Image

SETTINGS_PATH = rf"{FOLDER}\agent.toml"


@dataclass(frozen=True, slots=True)
class Origin:
    """From what and when an image is built: hash of the WIM as it is, the wanted way in, UTC time."""

    wim_sha256: str
    way: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """Edits that turn an image into one with this stamp; `anew`: octets of an earlier injection must go."""

    edits: tuple[Edit, ...]
    stamp: Stamp
    anew: bool


def plan_of(tree: Tree, image: Image, seen: Look, cargo: Cargo, origin: Origin) -> Plan:
    """Everything to be done to one image. The files of the edits still have to be laid out: `lay_out`.

    Raises:
        ImageError: this image cannot or must not get the agent.
    """
    must_be_free(seen)
    if seen.kind is None:
        raise ImageError("this is not a boot image: nothing starts programs there; choose another with --index")
    _must_run(cargo, image)
    outside, kept = _outside(tree, image, seen, way_of(seen.kind, origin.way))
    stamp = _stamp(image, seen, cargo, origin, (outside, kept))
    edits = (*undo(seen), *_put(cargo, stamp, outside))
    return Plan(edits, stamp, anew=seen.stamp is not None)


def undo(seen: Look) -> tuple[Edit, ...]:
    """Give back what the image had, and take out what was put in."""
    if seen.stamp is None:
        return ()
    edits: list[Edit] = []
    for path, before in seen.stamp.originals.items():
        if seen.has(path):
            edits.append(Delete(path))
        if before:
            edits.append(Rename(original_path(path), path))
    return (*edits, Delete(FOLDER))


def _must_run(cargo: Cargo, image: Image) -> None:
    if image.architecture and image.architecture != cargo.architecture:
        raise ImageError(f"the payload is for {cargo.architecture} and the image is {image.architecture}")


def _outside(tree: Tree, image: Image, seen: Look, way: Way) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files outside \\pe-agent: what they become, and the hash of what they were (empty: there was none)."""
    before = {path: original(tree, seen, path) for path in (_spelled(seen, way.path), _spelled(seen, COMMAND_PATH))}
    hook, command = before
    script = None if before[hook] is None else read_script(before[hook] or b"")
    programs = seen.kind.files if seen.kind else ()
    become = {
        hook: way.change(Scene(seen.paths, image.architecture, script, programs)).octets(),
        command: COMMAND_SCRIPT.encode("ascii"),
    }
    return become, {path: "" if octets is None else _sha256(octets) for path, octets in before.items()}


def _spelled(seen: Look, path: str) -> str:
    """As an earlier injection or else the image spells it."""
    known = (*(seen.stamp.originals if seen.stamp else ()), *seen.paths)
    return next((p for p in known if p.lower() == path.lower()), path)


def _stamp(
    image: Image, seen: Look, cargo: Cargo, origin: Origin, outside: tuple[Mapping[str, bytes], Mapping[str, str]]
) -> Stamp:
    become, kept = outside
    original_sha256 = seen.stamp.original_sha256 if seen.stamp else origin.wim_sha256
    build = image_build_of(original_sha256, image.name, image.index, origin.at)
    files = dict(cargo.files) | {path: _sha256(octets) for path, octets in become.items()}
    recipe = recipe_of(
        files | {f"original {path}": digest for path, digest in kept.items()}, *cargo.collectors, "", *cargo.uploads
    )
    assert seen.kind is not None  # noqa: S101 - plan_of has looked
    return Stamp(
        image_build=build,
        image_name=image.name,
        index=image.index,
        injected_at=origin.at.isoformat(timespec="seconds"),
        kind=seen.kind.id,
        way=seen.kind.way if origin.way == "kind" else origin.way,
        original_sha256=original_sha256,
        payload_sha256=cargo.payload_sha256,
        recipe=recipe,
        files=files | {SETTINGS_PATH: _sha256(cargo.settings(build, image.name))},
        originals=kept,
    )


def _put(cargo: Cargo, stamp: Stamp, outside: Mapping[str, bytes]) -> tuple[Edit, ...]:
    """Edits and, beside the cargo, the files of this image alone."""
    own = cargo.folder.with_name(f"own-{stamp.index}")
    _lay_out(own / FOLDER, STAMP_PATH, stamp.octets())
    _lay_out(own / FOLDER, SETTINGS_PATH, cargo.settings(stamp.image_build, stamp.image_name))
    edits: list[Edit] = [Add(cargo.folder, FOLDER)]
    for path, before in stamp.originals.items():
        if before:
            _folder_of(own / FOLDER, original_path(path)).mkdir(parents=True, exist_ok=True)
    edits.append(Add(own / FOLDER, FOLDER))
    for number, (path, octets) in enumerate(outside.items()):
        if stamp.originals[path]:
            edits.append(Rename(path, original_path(path)))
        source = own / str(number)
        source.write_bytes(octets)
        edits.append(Add(source, path))
    return tuple(edits)


def _lay_out(folder: Path, path: str, octets: bytes) -> None:
    target = folder / path.removeprefix(FOLDER + "\\")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(octets)


def _folder_of(folder: Path, path: str) -> Path:
    return folder.joinpath(*path.split("\\")[1:-1])


def _sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
