"""How large is the payload, how long does it take to build, and how soon does the agent ask its first question?

Under Wine, which is not Windows PE: the seconds say whether imports got worse, not what a machine will show.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHON, WHEELS = (REPOSITORY / ".venv" / name for name in ("windows-python", "windows-wheels"))
WINE = next((p for p in ("/usr/lib/wine/wine64", shutil.which("wine64")) if p and Path(p).exists()), None)
RUNS = 9
FIRST_PROBE_S, PACKED_BYTES, UNPACKED_BYTES = 0.5, 15_000_000, 30_000_000
_AGENT = (r".\python.exe", "-m", "pe_agent")
COMMANDS = {
    "python -c pass": (r".\python.exe", "-c", "pass"),
    "pe-agent version": (*_AGENT, "version"),
    "first probe, nothing to send": (*_AGENT, "report", "/no-send", "/format:text"),
    "first probe, a collector named": (*_AGENT, "report", "/collector:127.0.0.1:1", "/plain", "/timeout:0.1"),
    "import grpc": (r".\python.exe", "-c", "import grpc"),
}


def main() -> None:
    """Print sizes and times; what is over its bound is marked."""
    if WINE is None or not (PYTHON / "python.exe").exists() or not list(WHEELS.glob("grpcio-*.whl")):
        sys.exit("needs wine64, .ci/windows-python and .ci/windows-wheels")
    with tempfile.TemporaryDirectory() as name:
        payload = _built(Path(name))
        with _machine(Path(name), payload) as (folder, environment):
            for title, command in COMMANDS.items():
                _time(title, command, folder, environment)


def _built(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "python.zip", "w") as archive:
        for file in sorted(PYTHON.iterdir()):
            archive.write(file, file.name)
    command = [sys.executable, "-m", "pe_image", "payload", "--python", str(folder / "python.zip")]
    began = time.monotonic()
    payload = folder / "payload.zip"
    subprocess.run([*command, "--wheels", str(WHEELS), "--output", str(payload)], check=True, stdout=DEVNULL)
    print(f"build                           {time.monotonic() - began:6.2f} s")
    with zipfile.ZipFile(payload) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        parts = json.loads(archive.read("manifest.json"))["parts"]
    print(f"packed                          {payload.stat().st_size / 1e6:6.2f} MB (bound {PACKED_BYTES / 1e6:.0f})")
    print(f"unpacked                        {unpacked / 1e6:6.2f} MB (bound {UNPACKED_BYTES / 1e6:.0f})")
    print("parts: " + ", ".join(f"{part['name']} {part['version']}" for part in parts))
    return payload


@contextmanager
def _machine(place: Path, payload: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    prefix = place / "wine"
    prefix.mkdir()
    environment = os.environ | {
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "XDG_RUNTIME_DIR": str(prefix),
        # Nothing here may speak to the network of the machine that runs this.
        "PE_AGENT_ONLY": "architecture",
    }
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver64"
    quiet = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
    subprocess.run([server, "-p"], env=environment, check=True, **quiet)
    subprocess.run([WINE, "wineboot", "-i"], env=environment, check=True, **quiet)
    folder = prefix / "drive_c" / "pe-agent"
    with zipfile.ZipFile(payload) as archive:
        archive.extractall(folder)
    try:
        yield folder, environment
    finally:
        subprocess.run([server, "-k"], env=environment, check=False)


def _time(title: str, command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> None:
    """From the start of the process to its first line on stderr, or to its end where it says nothing there."""
    taken = []
    for _ in range(RUNS):
        began = time.monotonic()
        with subprocess.Popen(
            [WINE, *command], env=environment, cwd=folder, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        ) as process:
            process.stderr.readline()
            taken.append(time.monotonic() - began)
            process.communicate()
    over = " OVER" if "nothing to send" in title and min(taken) > FIRST_PROBE_S else ""
    print(f"{title:31} {min(taken):6.2f} s best, {statistics.median(taken):.2f} s median of {RUNS}{over}")


if __name__ == "__main__":
    main()
