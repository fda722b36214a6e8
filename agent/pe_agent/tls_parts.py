"""Where does Python's own TLS come from in a boot image? It lies packed there, and only an upload unpacks it.

`pe-image payload` writes the archive, and the hash of each part of it into the manifest. Unpacked it stays where it is,
for the next run: Windows deletes no program that is loaded, and X: goes with the boot.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pe_agent import volumes

ARCHIVE, MANIFEST = "tls.zip", "manifest.json"
_FOLDER = "tls"


def make_loadable() -> None:
    """See to it that `import ssl` works, from unpacked parts where it does not by itself.

    Raises:
        ImportError: it does not work here; the message says what is in the way.
    """
    try:
        import ssl  # noqa: F401, PLC0415 - whether it does is the question
    except ImportError as exc:
        home = Path(sys.executable).parent
        if not (home / ARCHIVE).is_file():
            raise ImportError(
                f"ssl does not load here ({exc}), and there is no {home / ARCHIVE} to unpack it from"
            ) from exc
        _load_from(unpack(home, _places(home)))


def unpack(home: Path, places: Iterable[Path]) -> Path:
    """Lay the parts of the archive in `home` into the first of these folders that takes them; returns that folder.

    What lies there already and is the same stays.

    Raises:
        ImportError: the archive is damaged, or no folder takes the parts; the message says why for each.
    """
    parts = _parts(home)
    refusals = []
    for place in places:
        try:
            _lay(parts, place)
        except OSError as exc:
            refusals.append(f"{place}: {exc.strerror or exc}")
            continue
        return place
    raise ImportError(f"no folder takes the parts of {home / ARCHIVE}: {'; '.join(refusals) or 'none is known'}")


def _load_from(folder: Path) -> None:
    """Import ssl with its parts in this folder, which is searched last, and only now: nothing else comes from there."""
    sys.path.append(str(folder))
    try:
        import ssl  # noqa: F401, PLC0415 - from here on it is loaded
    except ImportError as exc:
        raise ImportError(
            f"ssl does not load from {folder} ({exc}); `pe-image audit` says what the image lacks"
        ) from exc
    finally:
        sys.path.remove(str(folder))


def _places(home: Path) -> Iterator[Path]:
    """Beside the agent, the temporary folder; a technician's drive only where these are full."""
    yield home / "spool" / _FOLDER
    yield Path(tempfile.gettempdir()) / "pe-agent" / _FOLDER
    for root in volumes.marked_volumes():
        yield root / volumes.FOLDER / _FOLDER


def _parts(home: Path) -> dict[str, bytes]:
    """The parts by name, each with the hash that the manifest names."""
    digests = _digests(home / MANIFEST)
    try:
        with zipfile.ZipFile(home / ARCHIVE) as archive:
            parts = {name: archive.read(name) for name in digests}
    except (OSError, KeyError, zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as exc:
        raise ImportError(f"{home / ARCHIVE} is damaged ({exc}); inject the payload again") from exc
    for name, octets in parts.items():
        if hashlib.sha256(octets).hexdigest() != digests[name]:
            raise ImportError(f"{name} in {home / ARCHIVE} is not what {MANIFEST} says; inject the payload again")
    return parts


def _digests(manifest: Path) -> dict[str, str]:
    try:
        rows = json.loads(manifest.read_bytes())["packed"][ARCHIVE]
        return {str(row["path"]): str(row["sha256"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ImportError(f"{manifest} does not say what {ARCHIVE} holds ({exc}); inject the payload again") from exc


def _lay(parts: Mapping[str, bytes], place: Path) -> None:
    """All of them, or none that was not there before."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    lacking = {name: octets for name, octets in parts.items() if not _holds(place / name, octets)}
    written: list[Path] = []
    try:
        if lacking:
            _check_room(place, sum(map(len, lacking.values())))
        for name, octets in lacking.items():
            _write(place / name, octets)
            written.append(place / name)
    except OSError:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            place.rmdir()
        raise


def _check_room(place: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(place).free
    if free_bytes < needed_bytes:
        text = f"{free_bytes / 1e6:.1f} MB are free, {needed_bytes / 1e6:.1f} MB are needed"
        raise OSError(errno.ENOSPC, text)


def _write(path: Path, octets: bytes) -> None:
    """Whole or not at all: another run of the agent may be about to load it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(octets)
        fresh.replace(path)
    except PermissionError:
        # Windows replaces no program that is loaded: then another run has laid it meanwhile.
        if not _holds(path, octets):
            raise
    finally:
        fresh.unlink(missing_ok=True)
    if not _holds(path, octets):
        raise OSError(errno.EIO, f"{path.name} reads other than it was written")


def _holds(path: Path, octets: bytes) -> bool:
    try:
        return path.read_bytes() == octets
    except OSError:
        return False
