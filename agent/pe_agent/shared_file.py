"""How is a file read that another program writes? On Windows with every kind of sharing, so that nobody is held up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

_SHARE_READ_WRITE_DELETE = 0x1 | 0x2 | 0x4


def open_shared(path: Path) -> IO[bytes]:
    """A file open for reading; the writer may go on, and may rename or delete it.

    Raises:
        OSError: it cannot be opened; on Windows `winerror` says why: 32 when another program lets nobody read it.
    """
    if sys.platform != "win32":
        return path.open("rb")
    import _winapi  # noqa: PLC0415 - Windows only
    import msvcrt  # noqa: PLC0415 - Windows only
    import os  # noqa: PLC0415 - Windows only

    # The C library's own open leaves out the right to delete, and the system's reason when it fails.
    handle = _winapi.CreateFile(
        str(path), _winapi.GENERIC_READ, _SHARE_READ_WRITE_DELETE, _winapi.NULL, _winapi.OPEN_EXISTING, 0, _winapi.NULL
    )
    return os.fdopen(msvcrt.open_osfhandle(handle, os.O_RDONLY), "rb")
