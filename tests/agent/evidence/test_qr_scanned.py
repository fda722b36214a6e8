"""A code on the screen is read by a real scanner: the console's text becomes a picture, zbar reads it."""

from __future__ import annotations

import os
import pty
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

SCANNER = shutil.which("zbarimg")
MODULE_PIXELS = 4
# What a console draws, as (upper half light, lower half light).
HALVES = {"\u2588": (True, True), "\u2580": (True, False), "\u2584": (False, True), " ": (False, False)}
pytestmark = pytest.mark.skipif(SCANNER is None, reason="zbar-tools is not installed")


def console_text(folder: Path, encoding: str) -> str:
    """What a report that cannot be delivered leaves on a console of this encoding."""
    read_end, write_end = pty.openpty()
    options = ["--sysroot", str(folder), "--spool", str(folder), "--only", "architecture", "--quiet", "--no-color"]
    command = [sys.executable, "-m", "pe_agent", "report", "--no-send", *options]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    with subprocess.Popen(command, stdout=write_end, stdin=subprocess.DEVNULL, env=environment) as agent:
        os.close(write_end)
        said = b"".join(iter(lambda: _read(read_end), b""))
        assert agent.wait(60) in range(31)
    os.close(read_end)
    return said.decode(encoding)


def _read(end: int) -> bytes:
    try:
        return os.read(end, 65536)
    except OSError:  # The other end is closed: a pseudo-terminal says so with EIO.
        return b""


def light_modules(text: str) -> list[list[bool]]:
    """The rows of the code in a console's text, one value a module."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    blocks = [line for line in lines if line.startswith("\u2588")]
    if blocks:
        return [[HALVES[sign][half] for sign in line] for line in blocks for half in (0, 1)]
    return [[pair == "#" for pair in line[::2]] for line in lines if line.startswith("####")]


def png(light: list[list[bool]]) -> bytes:
    """A picture of the console: light modules white, all else black (PNG, 8 bits of grey)."""
    width = max(map(len, light))
    rows = [[False] * width] * 4 + [row + [False] * (width - len(row)) for row in light] + [[False] * width] * 4
    rows = [[False] * 4 + row + [False] * 4 for row in rows]
    lines = [b"\0" + b"".join((b"\xff" if on else b"\0") * MODULE_PIXELS for on in row) for row in rows]
    body = b"".join(line * MODULE_PIXELS for line in lines)
    head = struct.pack(">IIBBBBB", (width + 8) * MODULE_PIXELS, len(rows) * MODULE_PIXELS, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(body)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, octets: bytes) -> bytes:
    return struct.pack(">I", len(octets)) + kind + octets + struct.pack(">I", zlib.crc32(kind + octets))


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "ascii"])
def test_the_code_on_a_console_is_scanned_and_decoded(tmp_path: Path, encoding: str) -> None:
    text = console_text(tmp_path, encoding)
    picture = tmp_path / "screen.png"
    picture.write_bytes(png(light_modules(text)))
    scanned = subprocess.run(
        [SCANNER or "", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(picture)],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    ).stdout.strip()
    assert scanned.startswith("PE1")
    decoded = subprocess.run(
        [sys.executable, "-m", "pe_agent", "decode", scanned], capture_output=True, text=True, timeout=200, check=True
    ).stdout
    title = next(line for line in text.splitlines() if line.strip())
    assert title.strip() in decoded
