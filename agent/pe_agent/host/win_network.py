"""What Windows counts and knows of each adapter: frames, neighbours, and network devices without a driver.

Not verified on Windows PE: everything here follows netioapi.h and the layout of the Enum keys, and was never run there.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable, Iterator

from pe_agent.host import Device
from pe_agent.host import win_registry as registry
from pe_agent.host.win_structures import InterfaceRow, NeighbourRow, ip_of_sockaddr

assert sys.platform == "win32"  # noqa: S101 - tells type checkers what this module is for

_iphlpapi = ctypes.WinDLL("iphlpapi", use_last_error=True)
_BUSES = ("PCI", "USB")
# Compatible ids that say "network": PCI class code 02, USB class 02 with Ethernet (06) or NCM (0d).
_NETWORK_MARKS = ("PCI\\CC_02", "USB\\CLASS_02&SUBCLASS_06", "USB\\CLASS_02&SUBCLASS_0D")
# NlnsProbe, NlnsDelay, NlnsStale, NlnsReachable: the neighbour has answered at some time.
_HAS_ANSWERED = {2, 3, 4, 5}
_CODE_NO_DRIVER = 28
_ANY_FAMILY = 0
# PIPINTERFACE_CHANGE_CALLBACK and PUNICAST_IPADDRESS_CHANGE_CALLBACK (netioapi.h): context, row, kind of change.
_ChangeCallback = ctypes.WINFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)


@contextlib.contextmanager
def changes() -> Iterator[Callable[[float], None]]:
    """Within the block a call waits until Windows tells of an interface or address, so many seconds at most.

    Under Wine 8 Windows' calls are accepted and tell nothing, so every wait lasts its time there.
    """
    changed = threading.Event()
    callback = _ChangeCallback(lambda *_: changed.set())
    handles = []
    for notify in (_iphlpapi.NotifyIpInterfaceChange, _iphlpapi.NotifyUnicastIpAddressChange):
        handle = ctypes.c_void_p()
        if notify(_ANY_FAMILY, callback, None, 0, ctypes.byref(handle)) == 0:
            handles.append(handle)

    def wait(within_s: float) -> None:
        changed.wait(max(0.0, within_s))
        changed.clear()

    try:
        yield wait
    finally:
        for handle in handles:
            # Returns when no callback runs any more, so that `callback` may go.
            _iphlpapi.CancelMibChangeNotify2(handle)


def received_frames(luid: int) -> int | None:
    """Frames an adapter has taken in since it was made; None when the system does not tell."""
    row = InterfaceRow(luid=luid)
    if _iphlpapi.GetIfEntry2(ctypes.byref(row)) != 0:
        return None
    return int(row.in_unicast_frames + row.in_other_frames)


def answering_neighbours() -> frozenset[tuple[int, str]]:
    """(interface luid, address) of every neighbour whose link address is known from its own answer."""
    table = ctypes.c_void_p()
    if _iphlpapi.GetIpNetTable2(0, ctypes.byref(table)) != 0 or not table.value:
        return frozenset()
    try:
        count = ctypes.c_uint32.from_address(table.value).value
        # The rows are aligned to 8 octets after the count.
        rows = (NeighbourRow * count).from_address(table.value + 8)
        return frozenset((int(r.luid), ip_of_sockaddr(bytes(r.address))) for r in rows if r.state in _HAS_ANSWERED)
    finally:
        _iphlpapi.FreeMibTable(table)


def devices_without_driver() -> tuple[Device, ...]:
    """Devices below Enum whose compatible ids say network and which no driver was installed for."""
    return tuple(device for bus in _BUSES for key in _device_keys(bus) if (device := _device(key)) is not None)


def _device_keys(bus: str) -> Iterator[str]:
    for kind in registry.below(rf"{registry.ENUM}\{bus}"):
        for instance in registry.below(rf"{registry.ENUM}\{bus}\{kind}"):
            yield rf"{registry.ENUM}\{bus}\{kind}\{instance}"


def _device(key: str) -> Device | None:
    compatible = [text.upper() for text in registry.texts(key, "CompatibleIDs")]
    if registry.text(key, "Driver") or not any(text.startswith(_NETWORK_MARKS) for text in compatible):
        return None
    hardware = registry.texts(key, "HardwareID")
    # DeviceDesc may be `@oem1.inf,%name%;Text`.
    description = registry.text(key, "DeviceDesc").rpartition(";")[2]
    return Device(hardware[0] if hardware else key.rsplit("\\", 2)[1], description, _CODE_NO_DRIVER)
