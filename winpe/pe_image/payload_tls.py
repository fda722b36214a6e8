"""How does a payload carry Python's own TLS, which only an upload by HTTPS needs? Packed, in an archive of its own.

Unpacked it would be a fifth of the payload. The agent (pe_agent/tls_parts.py) unpacks it when it has to upload, and
compares each part with the manifest.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from fnmatch import fnmatchcase
from io import BytesIO

from pe_image.payload_target import PayloadError, tls_patterns
from pe_image.payload_zip import UNREADABLE
from pe_image.pe_headers import file_version

ARCHIVE = "tls.zip"
_LIBRARY = "libcrypto"


def tls_parts(python: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of an embeddable Python that are its TLS.

    Raises:
        PayloadError: one of them is not there.
    """
    found: dict[str, bytes] = {}
    for pattern in tls_patterns():
        fitting = {name: octets for name, octets in python.items() if fnmatchcase(name.lower(), pattern)}
        if not fitting:
            raise PayloadError(f"the embeddable Python has no {pattern}, which an upload by HTTPS needs")
        found |= fitting
    return found


def with_packed(payload: Mapping[str, bytes]) -> dict[str, bytes]:
    """A payload's files and those in its archive as well, as `tls.zip/NAME`.

    Raises:
        PayloadError: the archive cannot be read.
    """
    if ARCHIVE not in payload:
        return dict(payload)
    try:
        with zipfile.ZipFile(BytesIO(payload[ARCHIVE])) as archive:
            inside = {f"{ARCHIVE}/{entry.filename}": archive.read(entry) for entry in archive.infolist()}
    except UNREADABLE as exc:
        raise PayloadError(f"{ARCHIVE} of the payload is damaged ({exc}); build the payload again") from exc
    return {**payload, **inside}


def openssl_row(parts: Mapping[str, bytes]) -> dict[str, str]:
    """OpenSSL as a part of the payload; an empty version where its library says none."""
    library = next(octets for name, octets in parts.items() if name.lower().startswith(_LIBRARY))
    version = file_version(library) or ()
    return {"name": "openssl", "version": ".".join(map(str, version[:3])), "licence": "Apache-2.0"}
