"""What was put into an image, from which original, and what it had there before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from pe_image.errors import NotWhole
from pe_image.hooks import FOLDER

STAMP_PATH = rf"{FOLDER}\image.json"
ORIGINAL_FOLDER = rf"{FOLDER}\original"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """One injection. Hashes are SHA-256 in hexadecimal.

    Attributes:
        image_build: names this build of the image in every report.
        image_name: the name in the WIM when it was injected; `index` likewise.
        injected_at: UTC, ISO 8601.
        kind: the image's kind before the injection; `way` how the agent is started (a row of WAYS).
        original_sha256: of the whole WIM before its first injection.
        recipe: of everything that was put in but the build id: the same recipe gives the same image.
        files: path in the image -> hash.
        originals: path of each changed file -> its hash before, empty when it did not exist.
    """

    image_build: str
    image_name: str
    index: int
    injected_at: str
    kind: str
    way: str
    original_sha256: str
    payload_sha256: str
    recipe: str
    files: Mapping[str, str]
    originals: Mapping[str, str]

    def octets(self) -> bytes:
        """As it is kept in the image."""
        return (json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n").encode("ascii")


def read_stamp(octets: bytes) -> Stamp:
    """The stamp as it is kept in an image.

    Raises:
        NotWhole: it is damaged, or a later version of this program wrote it.
    """
    try:
        table = json.loads(octets)
        if table.pop("format") != _FORMAT:
            raise NotWhole(rf"\{STAMP_PATH} was written by a later version of pe-image; use that one")
        return Stamp(**table)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise NotWhole(rf"\{STAMP_PATH} is damaged ({exc}); inject into the original boot image again") from exc


def image_build_of(original_sha256: str, name: str, index: int, at: datetime) -> str:
    """16 hexadecimal digits from the original's hash, the image's name, its index and the time of the injection."""
    words = "\0".join((original_sha256, name, str(index), at.isoformat()))
    return hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def recipe_of(files: Mapping[str, str], *words: str) -> str:
    """The hash of what goes in: paths with their hashes, and what else decides the result."""
    return hashlib.sha256(json.dumps([sorted(files.items()), words]).encode()).hexdigest()


def original_path(path: str) -> str:
    """Where the image keeps what `path` was before."""
    return rf"{ORIGINAL_FOLDER}\{path}"
