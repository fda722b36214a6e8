"""Which volumes has a technician marked for carrying reports? Those with the file pe-agent.usb in their root."""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

MARKER = "pe-agent.usb"
# Reports lie in the root, or here.
FOLDER = "pe-agent"
_MOUNTS = Path("/proc/self/mounts")
# Nothing that asks another machine: a dead server would hold us up.
_LOCAL = frozenset(
    {"vfat", "exfat", "ntfs", "ntfs3", "fuseblk", "ext2", "ext3", "ext4", "btrfs", "xfs", "udf", "tmpfs"}
)
# fileapi.h: DRIVE_REMOVABLE, DRIVE_FIXED (a USB disk calls itself fixed).
_DRIVES = frozenset({2, 3})
# errhandlingapi.h: an empty card reader must not open a window.
_SEM_FAILCRITICALERRORS = 1


def marked_volumes() -> tuple[Path, ...]:
    """Roots of the marked volumes, in the system's order."""
    return tuple(root for root in _volumes() if _is_marked(root))


def report_folders(roots: Iterable[Path]) -> Iterator[Path]:
    """Where reports can lie on these volumes."""
    for root in roots:
        yield root
        yield root / FOLDER


def _is_marked(root: Path) -> bool:
    try:
        return (root / MARKER).is_file()
    except OSError:
        return False


def _volumes() -> Iterator[Path]:
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - needed on Windows only

        kernel32 = ctypes.windll.kernel32
        kernel32.SetErrorMode(_SEM_FAILCRITICALERRORS)
        for letter in string.ascii_uppercase:
            if kernel32.GetDriveTypeW(f"{letter}:\\") in _DRIVES:
                yield Path(f"{letter}:\\")
    else:
        for line in _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, place, kind, *_ = line.split(" ")
            if kind in _LOCAL:
                # proc(5): blanks in a name are written as \040.
                yield Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place))
