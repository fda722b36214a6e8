"""What does Windows' own DHCP client know of boot options, and what does it hear when it asks its server for them?

DhcpRequestParams makes the client send a DHCPINFORM, which takes no lease; it tells one server's answer only.
Source: learn.microsoft.com nf-dhcpcsdk-dhcprequestparams. # Not verified on Windows PE.
"""

from __future__ import annotations

import ctypes
import sys
import winreg

from pe_agent.codec import dhcp
from pe_agent.codec.windows_lease import decode_kept_options
from pe_agent.errors import DecodeError
from pe_agent.host import Lease
from pe_agent.host import win_registry as registry
from pe_agent.host.win_structures import DhcpParameter, DhcpParameters

assert sys.platform == "win32"  # noqa: S101 - tells type checkers what this module is for

_SYNCHRONOUS = 2
_BUFFER_OCTETS = 2048
_ASKED_FOR = {
    dhcp.SERVER_IDENTIFIER: "server_id",
    dhcp.VENDOR_CLASS: "class60",
    dhcp.BOOT_SERVER_NAME: "boot_server",
    dhcp.BOOT_FILE_NAME: "boot_file",
}
# They are octets, not text.
_ALSO_ASKED_FOR = (dhcp.TIME_SERVER, dhcp.VENDOR_OPTIONS)


def kept_lease(octets: bytes) -> Lease:
    """The boot options that Windows kept of a lease (DhcpInterfaceOptions); where they cannot be read, none.

    Windows keeps what a server sends, and a server may send options that were not asked for, as 66 and 67.
    """
    try:
        options = decode_kept_options(octets)
    except DecodeError:
        return Lease()
    texts = {code: options.get(code, b"").rstrip(b"\0").decode("latin-1") for code in _ASKED_FOR}
    return Lease(
        boot_server=texts[dhcp.BOOT_SERVER_NAME],
        boot_file=texts[dhcp.BOOT_FILE_NAME],
        time_servers=dhcp.addresses_in(options.get(dhcp.TIME_SERVER, b"")),
    )


def boot_options(address: str) -> dict[str, str]:
    """Server, class and boot options for the adapter whose lease gave this address; empty when nothing answers.

    `time_servers` are addresses with commas, `option43_hex` is its octets.
    """
    adapter = _adapter_with(address)
    answers = _request(adapter) if adapter else {}
    server = answers.get(dhcp.SERVER_IDENTIFIER, b"")
    if len(server) != 4:
        return {}
    texts = {name: answers.get(code, b"").rstrip(b"\0").decode("latin-1") for code, name in _ASKED_FOR.items()}
    others = {
        "time_servers": ",".join(dhcp.addresses_in(answers.get(dhcp.TIME_SERVER, b""))),
        "option43_hex": answers.get(dhcp.VENDOR_OPTIONS, b"").hex(),
    }
    return texts | others | {"server_id": ".".join(str(octet) for octet in server)}


def _adapter_with(address: str) -> str:
    """The GUID under which the registry keeps the lease of this address; empty when there is none."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, registry.INTERFACES) as interfaces:
            count = winreg.QueryInfoKey(interfaces)[0]
            guids = [winreg.EnumKey(interfaces, number) for number in range(count)]
            return next((guid for guid in guids if _leased(interfaces, guid) == address), "")
    except OSError:
        return ""


def _leased(interfaces: winreg.HKEYType, guid: str) -> str:
    try:
        with winreg.OpenKey(interfaces, guid) as key:
            return str(winreg.QueryValueEx(key, "DhcpIPAddress")[0])
    except OSError:
        return ""


def _request(adapter: str) -> dict[int, bytes]:
    try:
        library = ctypes.WinDLL("dhcpcsvc")
        version = ctypes.c_uint32()
        if library.DhcpCApiInitialize(ctypes.byref(version)):
            return {}
    except (OSError, AttributeError):
        return {}
    try:
        return _asked(library, adapter)
    finally:
        library.DhcpCApiCleanup()


def _asked(library: ctypes.WinDLL, adapter: str) -> dict[int, bytes]:
    wanted = (DhcpParameter * len(_ASKED_FOR))(*(DhcpParameter(0, code, 0, None, 0) for code in _ASKED_FOR))
    received = DhcpParameters(len(wanted), ctypes.cast(wanted, ctypes.POINTER(DhcpParameter)))
    buffer = ctypes.create_string_buffer(_BUFFER_OCTETS)
    size = ctypes.c_uint32(_BUFFER_OCTETS)
    request = library.DhcpRequestParams
    request.argtypes = [
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_wchar_p,
        ctypes.c_void_p,
        DhcpParameters,
        DhcpParameters,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_wchar_p,
    ]
    request.restype = ctypes.c_uint32
    nothing = DhcpParameters(0, None)
    status = request(_SYNCHRONOUS, None, adapter, None, nothing, received, buffer, ctypes.byref(size), None)
    if status:
        return {}
    return {p.option: ctypes.string_at(p.octets, p.length) for p in wanted if p.octets and p.length}
