"""What does the kernel tell of processor, firmware and drives, and of the time since boot?

Apart from the registry, which needs no ctypes: with ctypes comes COM, and with that all that draws windows.
"""

from __future__ import annotations

import ctypes
import string
import sys
from collections.abc import Iterator

from pe_agent.host.win_structures import SystemInfo

assert sys.platform == "win32"  # noqa: S101 - tells type checkers what this module is for

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.GetTickCount64.restype = ctypes.c_uint64

_RSMB = int.from_bytes(b"RSMB", "big")
_DRIVE_FIXED = 3
# PROCESSOR_ARCHITECTURE_* (sysinfoapi.h).
_ARCHITECTURES = {0: "x86", 5: "arm", 9: "x64", 12: "arm64"}


def ticks_s() -> float:
    """Seconds since boot, also those asleep; the wall clock does not move it."""
    return float(_kernel32.GetTickCount64() / 1000)


def native_architecture() -> str:
    """Of the running system, whatever this process was built for; empty for one that is not known here."""
    info = SystemInfo()
    _kernel32.GetNativeSystemInfo(ctypes.byref(info))
    return _ARCHITECTURES.get(info.processor_architecture, "")


def process_architecture(image: str) -> str:
    """The machine type this Python was built for, on an image of that architecture."""
    return image if ctypes.sizeof(ctypes.c_void_p) == 8 else "x86"


def firmware_type() -> int | None:
    """FIRMWARE_TYPE (winnt.h); None before Windows 8, and where the system does not tell."""
    kind = ctypes.c_uint32()
    try:
        return kind.value if _kernel32.GetFirmwareType(ctypes.byref(kind)) else None
    except AttributeError:
        return None


def smbios_octets() -> bytes:
    """What GetSystemFirmwareTable('RSMB') returns; empty where there is none."""
    size = _kernel32.GetSystemFirmwareTable(_RSMB, 0, None, 0)
    buffer = ctypes.create_string_buffer(size)
    got = _kernel32.GetSystemFirmwareTable(_RSMB, 0, buffer, size)
    return buffer.raw[:got]


def fixed_drives() -> Iterator[str]:
    r"""Roots of the fixed disks, as `C:\`."""
    roots = (f"{letter}:\\" for letter in string.ascii_uppercase)
    return (root for root in roots if _kernel32.GetDriveTypeW(root) == _DRIVE_FIXED)
