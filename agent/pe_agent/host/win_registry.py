"""The registry facts the agent reads on Windows; a missing key or value is simply not known.

Source: `wpeutil UpdateBootInfo` (PEBootServerName, PEFirmwareType), Tcpip\\Parameters\\Interfaces\\{guid} (lease).
"""

from __future__ import annotations

import sys
import winreg

assert sys.platform == "win32"  # noqa: S101 - tells type checkers what this module is for

CONTROL = r"SYSTEM\CurrentControlSet\Control"
INTERFACES = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"
PXE = CONTROL + r"\PXE"
ENUM = r"SYSTEM\CurrentControlSet\Enum"
SECURE_BOOT = CONTROL + r"\SecureBoot\State"
WINDOWS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"


def below(key: str) -> tuple[str, ...]:
    """The names of the keys below a key of HKEY_LOCAL_MACHINE."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return tuple(winreg.EnumKey(opened, number) for number in range(winreg.QueryInfoKey(opened)[0]))
    except OSError:
        return ()


def texts(key: str, name: str) -> tuple[str, ...]:
    """A list of strings (REG_MULTI_SZ); empty when there is none."""
    value = _value(key, name)
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def octets(key: str, name: str) -> bytes:
    """A REG_BINARY; empty when there is none."""
    value = _value(key, name)
    return value if isinstance(value, bytes) else b""


def text(key: str, name: str) -> str:
    """A string below HKEY_LOCAL_MACHINE; of several strings the first; empty when there is none."""
    value = _value(key, name)
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""


def number(key: str, name: str) -> int | None:
    """A DWORD below HKEY_LOCAL_MACHINE."""
    value = _value(key, name)
    return value if isinstance(value, int) else None


def _value(key: str, name: str) -> object:
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return winreg.QueryValueEx(opened, name)[0]
    except OSError:
        return None
