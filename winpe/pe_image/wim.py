"""Read a WIM through the wimlib-imagex program (https://wimlib.net, Debian package wimtools)."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pe_image.errors import ImageError

PROGRAM = "wimlib-imagex"
# PROCESSOR_ARCHITECTURE_* as WIM metadata has it.
_ARCHITECTURES = {"0": "x86", "5": "arm", "9": "x64", "12": "arm64"}


class WimError(ImageError):
    """A WIM that cannot be read; the message says which and why."""


class ProgramFailed(WimError):
    """wimlib-imagex ended with an error; `reason` is what it said."""

    def __init__(self, arguments: Sequence[str], reason: str) -> None:
        super().__init__(f"{PROGRAM} {' '.join(arguments)}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a WIM. `build` is the Windows build, for example `10.0.19041.1`; empty when not recorded."""

    index: int
    name: str
    architecture: str
    build: str
    bootable: bool


def read_images(wim: Path) -> tuple[Image, ...]:
    """Every image of a WIM, in its order.

    Raises:
        WimError: no such file, no WIM, damaged metadata, or wimlib-imagex is not installed.
    """
    try:
        octets = run(["info", str(wim), "--xml"])
    except ProgramFailed as exc:
        raise WimError(f"{wim}: no WIM that can be read, or a part of one: {exc.reason}") from exc
    try:
        # Expat does not fetch external entities; wimlib wrote or copied this text from the WIM's own metadata.
        root = ET.fromstring(octets.decode("utf-16"))  # noqa: S314
    except (UnicodeDecodeError, ET.ParseError) as exc:
        raise WimError(f"{wim}: its XML metadata cannot be read: {exc}") from exc
    boot_index = _boot_index(wim)
    return tuple(_image(element, boot_index) for element in root.findall("IMAGE"))


def list_paths(wim: Path, index: int) -> frozenset[str]:
    """Every path of an image with backslashes and without a leading one."""
    lines = run(["dir", str(wim), str(index)]).decode("utf-8", "replace").splitlines()
    return frozenset(line.strip("/").replace("/", "\\") for line in lines if line.startswith("/"))


def read_file(wim: Path, index: int, path: str) -> bytes:
    """The octets of one file of an image; `path` with backslashes, case does not matter."""
    return run(["extract", str(wim), str(index), "\\" + path, "--to-stdout"])


def file_hashes(wim: Path, index: int) -> dict[str, str]:
    """Path -> SHA-1 of each file of an image, as the WIM records it; empty for folders and empty files."""
    hashes: dict[str, str] = {}
    path = ""
    for line in run(["dir", str(wim), str(index), "--detailed"]).decode("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "Full Path":
            path = value.strip().strip('"').strip("/").replace("/", "\\")
            hashes[path] = ""
        elif name.strip() == "Hash" and not hashes.get(path):
            digest = value.strip().removeprefix("0x")
            hashes[path] = digest if digest.strip("0") else ""
    hashes.pop("", None)
    return hashes


def _image(element: ET.Element, boot_index: int) -> Image:
    def text(path: str) -> str:
        return (element.findtext(path) or "").strip()

    version = [text(f"WINDOWS/VERSION/{part}") for part in ("MAJOR", "MINOR", "BUILD", "SPBUILD")]
    index = int(element.get("INDEX", "0"))
    return Image(
        index=index,
        name=text("NAME"),
        architecture=_ARCHITECTURES.get(text("WINDOWS/ARCH"), ""),
        build=".".join(part for part in version if part),
        bootable=index == boot_index,
    )


def _boot_index(wim: Path) -> int:
    for line in run(["info", str(wim), "--header"]).decode("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "Boot Index":
            return int(value)
    return 0


def run(arguments: Sequence[str], commands: bytes = b"") -> bytes:
    """What wimlib-imagex answers on stdout; `commands` go to its stdin.

    Raises:
        WimError: it failed, or is not installed.
    """
    try:
        done = subprocess.run(
            [PROGRAM, *arguments], input=commands, capture_output=True, check=False, env=os.environ | _ENVIRONMENT
        )
    except FileNotFoundError as exc:
        raise WimError(f"{PROGRAM} is not installed; on Debian: apt-get install wimtools") from exc
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().replace("\n", " ") or f"exit {done.returncode}"
        raise ProgramFailed(arguments, reason)
    return done.stdout


# Windows paths have no case: wimlib looks them up so when told.
_ENVIRONMENT = {"WIMLIB_IMAGEX_IGNORE_CASE": "1", "LC_ALL": "C.UTF-8"}
