"""What can the processor run, whatever image runs on it now? Needed where a 32-bit image hides a 64-bit processor."""

from __future__ import annotations

from pe_agent.codec import smbios
from pe_agent.errors import DecodeError

# PROCESSOR_ARCHITEW6432 as a 32-bit process sees it under WoW64, which Windows PE has not.
_BEHIND_WOW64 = {"AMD64": "x64", "ARM64": "arm64"}


def behind(image: str, wow64: str, firmware_table: bytes) -> str:
    """`x86`, `x64`, `arm`, `arm64`; empty when nobody tells.

    Args:
        image: architecture of the running system.
        wow64: value of PROCESSOR_ARCHITEW6432, empty where it is not set.
        firmware_table: what GetSystemFirmwareTable('RSMB') returns.
    """
    if wow64.upper() in _BEHIND_WOW64:
        return _BEHIND_WOW64[wow64.upper()]
    if image != "x86":
        return image
    try:
        capable = smbios.decode_64_bit_capable(firmware_table)
    except DecodeError:
        capable = None
    return "" if capable is None else "x64" if capable else "x86"
