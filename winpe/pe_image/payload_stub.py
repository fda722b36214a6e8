"""How is the stub pdh.dll built, so that psutil loads in an image without performance counters?"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pe_image.payload_target import PayloadError

_MINGW = {"x64": "x86_64-w64-mingw32-gcc", "x86": "i686-w64-mingw32-gcc"}
_ZIG_TARGETS = {"x64": "x86_64-windows-gnu", "arm64": "aarch64-windows-gnu"}
_FLAGS = ("-shared", "-nostdlib", "-ffreestanding", "-O2", "-s")
# Linker words that zig's linker does not have or need.
_MINGW_FLAGS = ("-Wl,--kill-at", "-Wl,--no-insert-timestamp")
_ENTRIES = {"x86": "_DllMain@12"}


def build_stub(architecture: str) -> bytes:
    """The octets of pdh.dll for an architecture.

    Raises:
        PayloadError: no compiler for it is installed, or it fails.
    """
    source = resources.files("pe_image").joinpath("stub_pdh/pdh.c").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder, "pdh.c"), Path(folder, "pdh.dll")
        path.write_bytes(source)
        entry = f"-Wl,-e,{_ENTRIES.get(architecture, 'DllMain')}"
        command = [*_compiler(architecture), *_FLAGS, entry, "-o", target.name, path.name]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not target.exists():
            raise PayloadError(f"{command[0]} cannot build the stub pdh.dll: {done.stderr.strip()}")
        return target.read_bytes()


def _compiler(architecture: str) -> Sequence[str]:
    mingw = shutil.which(_MINGW.get(architecture, ""))
    if mingw:
        return (mingw, *_MINGW_FLAGS)
    target = _ZIG_TARGETS.get(architecture)
    if target and importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc", "-target", target)
    raise PayloadError(
        f"no C compiler for {architecture} Windows: apt-get install gcc-mingw-w64 (x64, x86), "
        "or install ziglang into this Python (x64, arm64)"
    )
