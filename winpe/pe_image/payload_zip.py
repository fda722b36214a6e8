"""How is the same zip made of the same files, octet for octet, and how does it come to the disk whole or not at all?"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from pe_image.errors import ImageError

# The earliest time a zip can say.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE = 0o100644 << 16
# What zipfile raises where an archive is cut off, changed, encrypted or packed in a way it does not know.
UNREADABLE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def zip_files(files: Mapping[str, bytes], *, compress: bool) -> bytes:
    """A zip of path -> octets, sorted by path, with fixed times and modes."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    target = BytesIO()
    with zipfile.ZipFile(target, "w", method, compresslevel=9 if compress else None) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _FIXED_TIME)
            entry.create_system = 3
            entry.external_attr = _PLAIN_FILE
            entry.compress_type = method
            archive.writestr(entry, files[path])
    return target.getvalue()


def write_whole(path: Path, octets: bytes) -> None:
    """Write a file beside its place, then put it there; what was there stays until then.

    Raises:
        ImageError: the disk does not take it.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        needed = f"{len(octets) / 1e6:.1f} MB are needed"
        raise ImageError(f"{path}: {exc.strerror}; {needed}, nothing was changed: name another place") from exc
