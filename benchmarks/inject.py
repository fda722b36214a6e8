"""How long does `pe-image inject` take on a boot image of 350 MB or more? Prints seconds and growth of each operation.

Usage: python benchmarks/inject.py [PAYLOAD.zip] [FOLDER]

The image is made once, in FOLDER (default /tmp/pe-image-bench), of Wine's programs and this machine's largest
libraries: LZX, two images, the second one Setup. Without a payload 30 MB of files from the same source stand in for it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pe_image import inject
from pe_image.cargo import Orders
from pe_image.imaging import this_imaging
from pe_image.payload import with_files
from pe_image.verify import verify

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
MORE = Path("/usr/lib")
WINE_PROGRAMS = LIBRARIES / "wine"
IMAGE_OCTETS = 1_500_000_000
PAYLOAD_OCTETS = 30_000_000


def wimlib(*words: str) -> None:
    """Run wimlib-imagex."""
    subprocess.run(["wimlib-imagex", *words], check=True, capture_output=True)


def fill(folder: Path) -> None:
    """Wine's programs, then the largest libraries, until there is enough."""
    (folder / "Windows" / "System32").mkdir(parents=True)
    (folder / "Windows" / "System32" / "startnet.cmd").write_bytes(b"wpeinit\r\n")
    wine = [p for p in WINE_PROGRAMS.rglob("*") if p.is_file()]
    rest = {p for p in MORE.rglob("*") if p.is_file() and not p.is_symlink()} - set(wine)
    octets = 0
    for path in (*wine, *sorted(rest, key=lambda p: (-p.stat().st_size, p))):
        target = folder / "Windows" / path.relative_to(MORE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        octets += path.stat().st_size
        if octets >= IMAGE_OCTETS:
            return


def make_image(folder: Path) -> Path:
    """The boot image, from an earlier run if there was one."""
    wim, tree, unfinished = folder / "boot.wim", folder / "tree", folder / "part.wim"
    if wim.exists():
        return wim
    if not tree.exists():
        fill(tree)
    if not unfinished.exists():
        wimlib("capture", str(tree), str(unfinished), "Windows PE", "--image-property", "WINDOWS/ARCH=9")
    shutil.copyfile(tree / "Windows" / "System32" / "startnet.cmd", tree / "setup.exe")
    wimlib("append", str(tree), str(unfinished), "Windows Setup", "--boot", "--image-property", "WINDOWS/ARCH=9")
    unfinished.rename(wim)
    return wim


def make_payload(folder: Path) -> Path:
    """Wine's own programs as a payload of the usual size; its python.exe is cmd.exe."""
    programs = WINE_PROGRAMS / "x86_64-windows"
    files = {"python.exe": (programs / "cmd.exe").read_bytes()}
    for file in sorted(programs.glob("*.dll"), key=lambda p: -p.stat().st_size):
        # Other octets than the image has, or they would take no room in it.
        files[f"lib/{file.name}"] = bytes(255 - octet for octet in file.read_bytes())
        if sum(map(len, files.values())) >= PAYLOAD_OCTETS:
            break
    path = folder / "payload.zip"
    path.write_bytes(with_files({"manifest.json": b"{}"}, files))
    return path


def timed(title: str, wim: Path, step: Callable[[], object]) -> None:
    """Run one operation and say how long it took and by how much the WIM grew."""
    before, began = wim.stat().st_size, time.monotonic()
    step()
    elapsed_s = time.monotonic() - began
    growth = (wim.stat().st_size - before) / 1e6
    print(f"{title:<34} {elapsed_s:7.2f} s  {growth:+7.1f} MB")


def main() -> None:
    """Inject, inject again, verify, remove."""
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("/tmp/pe-image-bench")  # noqa: S108 - large, kept between runs
    folder.mkdir(parents=True, exist_ok=True)
    source = make_image(folder)
    payload = Path(sys.argv[1]) if len(sys.argv) > 1 else make_payload(folder)
    (folder / "token").write_text("bench.token\n")
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    orders = Orders(payload, ("127.0.0.1:7443",), folder / "token", folder / "ca.pem")
    imaging, wim = this_imaging(), folder / "work.wim"
    print(f"image {source.stat().st_size / 1e6:.0f} MB, payload {payload.stat().st_size / 1e6:.1f} MB zipped")
    shutil.copyfile(source, wim)

    def put(*indexes: int) -> object:
        return inject.inject(imaging, inject.Work(wim, wim, indexes), orders, datetime.now(UTC))

    timed("inject index 1 (checks included)", wim, lambda: put(1))
    timed("inject index 2 too", wim, lambda: put(1, 2))
    timed("inject again, nothing to do", wim, lambda: put(1, 2))
    timed("verify", wim, lambda: verify(imaging, wim, imaging.images(wim)))
    timed("remove from both", wim, lambda: inject.remove(imaging, inject.Work(wim, wim)))
    wim.unlink()


if __name__ == "__main__":
    main()
