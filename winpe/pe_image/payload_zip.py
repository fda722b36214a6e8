"""How is the same zip made of the same files, octet for octet?"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO

# The earliest time a zip can say.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE = 0o100644 << 16


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
