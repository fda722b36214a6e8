"""Where did Setup, MDT or ConfigMgr leave their logs? The rows of log_places.toml, looked up below a drive."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

# ConfigMgr keeps a file for each time a log was full; of more than this, the newest are taken.
MOST_OF_A_PLACE = 16


@dataclass(frozen=True, slots=True)
class Place:
    """A folder below a drive, its parts in lower case, and the names of logs in it."""

    parts: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """The table. `elsewhere` are names of logs in any folder; `never` outranks both."""

    places: tuple[Place, ...]
    elsewhere: tuple[str, ...]
    never: tuple[str, ...]

    def find(self, root: Path) -> Iterator[Path]:
        """Logs below a drive or a folder that stands for one, each once, in the order of the table."""
        found: dict[Path, None] = {}
        for place in self.places:
            for folder in _folders(root, place.parts):
                found |= dict.fromkeys(self._in(folder, place.names))
        yield from found

    def is_log(self, name: str) -> bool:
        """Whether a file of this name, wherever it lies, is one that is read."""
        return _matches(name, self.elsewhere) and not _matches(name, self.never)

    def _in(self, folder: Path, names: tuple[str, ...]) -> list[Path]:
        paths = [path for path in _listed(folder) if _matches(path.name, names) and not _matches(path.name, self.never)]
        newest = sorted((path for path in paths if path.is_file()), key=_changed_s, reverse=True)[:MOST_OF_A_PLACE]
        return sorted(newest)


@functools.cache
def table() -> Places:
    """The table that came with the agent."""
    return parse(resources.files("pe_agent").joinpath("log_places.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Places:
    """The table in TOML text."""
    document: dict[str, Any] = tomllib.loads(text)
    rows = (Place(tuple(row["folder"].lower().split("\\")), tuple(row["names"])) for row in document["place"])
    return Places(tuple(rows), tuple(document["elsewhere"]["names"]), tuple(document["never"]))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def _folders(root: Path, parts: tuple[str, ...]) -> list[Path]:
    """Every folder these parts name: where the case of letters counts there can be more than one."""
    folders = [root]
    for part in parts:
        folders = [path for folder in folders for path in _listed(folder) if path.name.lower() == part]
    return folders


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        # Not there, no folder, or not ours to read: no log to collect either way.
        return []


def _changed_s(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
