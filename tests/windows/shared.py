"""What several test files here need and one run of the tests makes once, whichever of its processes comes first."""

import fcntl
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from subprocess import DEVNULL

REPOSITORY = Path(__file__).resolve().parents[2]
WINDOWS_PYTHON = Path(os.environ.get("PE_WINDOWS_PYTHON", REPOSITORY / ".venv" / "windows-python"))
WINDOWS_WHEELS = Path(os.environ.get("PE_WINDOWS_WHEELS", REPOSITORY / ".venv" / "windows-wheels"))
WINE = next((p for p in ("/usr/lib/wine/wine64", shutil.which("wine64")) if p and Path(p).exists()), None)
# Nothing writes into these, so that a copy may share them.
_PROGRAMS = {".dll", ".exe", ".drv", ".sys", ".ocx", ".cpl", ".acm", ".ax", ".tlb", ".ttf", ".fon", ".nls", ".msstyles"}


def once(tmp_path_factory, name, make):
    """The folder that `make` fills; it is made under another name, so that a failed one is made again."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder = root / f"once-{name}"
    with (root / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = root / f"half-{name}"
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            make(half)
            half.rename(folder)
    return folder


def wine_prefix(tmp_path_factory):
    """A Wine of its own, as it is after its first start: that start takes longer than most tests."""
    made = once(tmp_path_factory, "wine", _start_first)
    prefix = tmp_path_factory.mktemp("wine")
    shutil.copytree(made, prefix, symlinks=True, copy_function=_copy, dirs_exist_ok=True)
    return prefix


def wine_environment(prefix):
    """Quiet, and with nothing to ask for or to draw on."""
    return os.environ | {
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "XDG_RUNTIME_DIR": str(prefix),
    }


def wine_server():
    return shutil.which("wineserver") or "/usr/lib/wine/wineserver64"


def payload(tmp_path_factory, *options):
    """What `pe-image payload` makes of CPython for Windows and the wheels for it, with these options."""

    def build(folder):
        with zipfile.ZipFile(folder / "python.zip", "w") as archive:
            for file in WINDOWS_PYTHON.iterdir():
                archive.write(file, file.name)
        words = ["--python", folder / "python.zip", "--wheels", WINDOWS_WHEELS, "--output", folder / "payload.zip"]
        command = [sys.executable, "-m", "pe_image", "payload", *map(str, words), *options]
        subprocess.run(command, check=True, stdout=DEVNULL)

    return once(tmp_path_factory, f"payload{''.join(options)}", build) / "payload.zip"


def _start_first(prefix):
    environment = wine_environment(prefix)
    quiet = {"env": environment, "stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL, "timeout": 120}
    subprocess.run([WINE, "wineboot", "-i"], check=True, **quiet)
    # Its registry is written when the server ends.
    subprocess.run([wine_server(), "-k"], check=False, **quiet)
    subprocess.run([wine_server(), "-w"], check=False, **quiet)


def _copy(source, target):
    if Path(source).suffix.lower() in _PROGRAMS:
        os.link(source, target)
    else:
        shutil.copy2(source, target)
