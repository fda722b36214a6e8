"""Is there room on the disk? When it gets short logs stop first and verdicts last."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_LOOK_S = 1.0


class Room(Enum):
    """What may still be stored."""

    ALL = "all"
    VERDICTS = "verdicts"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Floors:
    """Octets that stay free: below the first logs are left out, below the second nothing is taken."""

    logs: int
    anything: int


class Reserve:
    """Looks at the disk once a second at most."""

    def __init__(self, folder: Path, floors: Floors, now_s: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._floors = floors
        self._now_s = now_s
        self._looked_s = float("-inf")
        self._room = Room.ALL

    def room(self) -> Room:
        """What may be stored now."""
        now_s = self._now_s()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s, self._room = now_s, self._look()
        return self._room

    def _look(self) -> Room:
        free = shutil.disk_usage(self._folder).free
        if free < self._floors.anything:
            return Room.NOTHING
        return Room.VERDICTS if free < self._floors.logs else Room.ALL
