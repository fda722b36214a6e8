"""What payloads are made of in tests: the real Python for Windows and wheels, or small ones made here."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
WINDOWS_PYTHON = Path(os.environ.get("PE_WINDOWS_PYTHON", REPOSITORY / ".venv" / "windows-python"))
WINDOWS_WHEELS = Path(os.environ.get("PE_WINDOWS_WHEELS", REPOSITORY / ".venv" / "windows-wheels"))

needs_windows_python = pytest.mark.skipif(
    not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
)
needs_windows_wheels = pytest.mark.skipif(
    not list(WINDOWS_WHEELS.glob("grpcio-*.whl")), reason="no wheels for Windows: .ci/windows-wheels"
)
needs_mingw = pytest.mark.skipif(
    shutil.which("x86_64-w64-mingw32-gcc") is None, reason="gcc-mingw-w64-x86-64 is not installed"
)
needs_python_of_payload = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the payload's modules are compiled for Python 3.11"
)
_PARTS = ("python311.zip", "app.zip", "lib")
_DRAW = (
    "import sys; sys.path[:] = sys.argv[1:] + [path for path in sys.path if path.endswith('lib-dynload')]; "
    "from pe_agent.render.qr import qr_lines; "
    "print(*qr_lines('PE1', 'ascii'), sep='|')"
)


def picture_by_payload(path, folder):
    """The lines of a QR code, drawn by all that is Python in a payload, with the machine code of this Python only."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    command = [sys.executable, "-I", "-S", "-c", _DRAW, *(str(folder / name) for name in _PARTS)]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return drawn.strip("\n").split("|")


def embeddable(path, **changes):
    """The embeddable zip, with files changed or added by name (None leaves one out)."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(WINDOWS_PYTHON.iterdir()):
            octets = changes.get(file.name, file.read_bytes())
            if octets is not None:
                archive.writestr(file.name, octets)
        for name in changes.keys() - {file.name for file in WINDOWS_PYTHON.iterdir()}:
            archive.writestr(name, changes[name])
    return path


def small_wheel(folder, name, files, records=None):
    """A wheel of the given file name; `records` replaces octets in what RECORD is computed from."""
    project, version, *_ = name.split("-")
    about = f"{project}-{version}.dist-info"
    files = files | {f"{about}/METADATA": b"Name: x\nLicense-Expression: MIT\n", f"{about}/licenses/LICENSE": b"MIT"}
    recorded = files | (records or {})
    lines = [f"{path},sha256={_digest(octets)},{len(octets)}" for path, octets in recorded.items()]
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, octets in files.items():
            archive.writestr(path, octets)
        archive.writestr(f"{about}/RECORD", "\n".join([*lines, f"{about}/RECORD,,"]))
    return folder / name


def _digest(octets):
    return base64.urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode()
