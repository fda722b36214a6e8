"""Which of several backups stay? Folders named after their moment, the newest ones."""

from __future__ import annotations

import datetime
import re
import shutil
from pathlib import Path

from pe_agent.errors import UsageError

from pe_collector.upkeep.backup import SUMS

_NAME = re.compile(r"pe-collector-\d{8}T\d{6}Z")


def dated(folder: Path, now_s: float) -> Path:
    """Where in `folder` the backup of this moment goes."""
    moment = datetime.datetime.fromtimestamp(now_s, datetime.UTC)
    return folder / f"pe-collector-{moment:%Y%m%dT%H%M%SZ}"


def keep_newest(folder: Path, count: int) -> tuple[Path, ...]:
    """Remove all but so many backups; those that went. What bears another name is not touched.

    Raises:
        UsageError: one cannot be removed.
    """
    there = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and (path / SUMS).is_file())
    old = tuple(there[: max(0, len(there) - count)])
    for path in old:
        try:
            shutil.rmtree(path)
        except OSError as exc:
            raise UsageError(f"{path}: {exc.strerror}; an old backup could not be removed") from exc
    return old
