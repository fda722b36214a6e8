"""Every structure that is handed to Windows lies in memory as the headers of mingw-w64 have it."""

import ctypes
import shutil
import subprocess

import pytest
from pe_agent.host import win_structures as ours

MINGW = shutil.which("x86_64-w64-mingw32-gcc")
pytestmark = pytest.mark.skipif(MINGW is None, reason="gcc-mingw-w64-x86-64 is not installed")

HEADERS = (
    "#include <stddef.h>\n#include <winsock2.h>\n#include <ws2tcpip.h>\n#include <iphlpapi.h>\n#include <dhcpcsdk.h>\n"
)
# Ours -> its name in the headers, and ours -> theirs for each field that is read or written.
STRUCTURES = {
    ours.SocketAddress: ("SOCKET_ADDRESS", {"sockaddr": "lpSockaddr", "length": "iSockaddrLength"}),
    ours.AddressEntry: ("IP_ADAPTER_GATEWAY_ADDRESS_LH", {"next": "Next", "address": "Address"}),
    ours.AdapterAddresses: (
        "IP_ADAPTER_ADDRESSES_LH",
        {
            "next": "Next",
            "adapter_name": "AdapterName",
            "first_unicast": "FirstUnicastAddress",
            "first_dns_server": "FirstDnsServerAddress",
            "dns_suffix": "DnsSuffix",
            "description": "Description",
            "friendly_name": "FriendlyName",
            "physical_address": "PhysicalAddress",
            "physical_address_length": "PhysicalAddressLength",
            "if_type": "IfType",
            "oper_status": "OperStatus",
            "ipv6_if_index": "Ipv6IfIndex",
            "first_gateway": "FirstGatewayAddress",
            "luid": "Luid",
            "dhcpv4_server": "Dhcpv4Server",
        },
    ),
    ours.UnicastAddressRow: (
        "MIB_UNICASTIPADDRESS_ROW",
        {
            "address": "Address",
            "prefix_origin": "PrefixOrigin",
            "on_link_prefix_length": "OnLinkPrefixLength",
            "dad_state": "DadState",
            "creation_time": "CreationTimeStamp",
        },
    ),
    ours.InterfaceRow: ("MIB_IF_ROW2", {"luid": "InterfaceLuid", "in_unicast_frames": "InUcastPkts"}),
    ours.NeighbourRow: ("MIB_IPNET_ROW2", {"address": "Address", "luid": "InterfaceLuid", "state": "State"}),
    ours.SystemInfo: (
        "SYSTEM_INFO",
        {"processor_architecture": "wProcessorArchitecture", "revision": "wProcessorRevision"},
    ),
    ours.DhcpParameter: (
        "DHCPCAPI_PARAMS",
        {"flags": "Flags", "option": "OptionId", "is_vendor": "IsVendor", "octets": "Data", "length": "nBytesData"},
    ),
    ours.DhcpParameters: ("DHCPCAPI_PARAMS_ARRAY", {"count": "nParams", "first": "Params"}),
}
# Read up to a field only: the structure of the headers goes on.
BEGINNINGS = {ours.AddressEntry, ours.AdapterAddresses}


FALSE = "sizeof(SYSTEM_INFO) == 1"


def claims_of(structure):
    theirs, fields = STRUCTURES[structure]
    claims = [f"offsetof({theirs}, {name}) == {getattr(structure, field).offset}" for field, name in fields.items()]
    if structure not in BEGINNINGS:
        claims.append(f"sizeof({theirs}) == {ctypes.sizeof(structure)}")
    return claims


@pytest.fixture(scope="module")
def said():
    """What the compiler, which reads the headers once, says against the claims of each structure, and a false one."""
    claims = {structure.__name__: claims_of(structure) for structure in STRUCTURES} | {"false": [FALSE]}
    text = HEADERS
    for name, rows in claims.items():
        # The compiler names this as the file, and goes on after a claim that does not hold.
        text += f'#line 1 "{name}"\n' + "".join(f'_Static_assert({claim}, "not so");\n' for claim in rows)
    command = [MINGW, "-fsyntax-only", "-fno-diagnostics-show-caret", "-D_WIN32_WINNT=0x0A00", "-x", "c", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stderr.splitlines()


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.__name__)
def test_a_structure_lies_as_the_headers_have_it(structure, said):
    assert [line for line in said if line.startswith(f"{structure.__name__}:")] == []


def test_a_claim_that_does_not_hold_is_found(said):
    (line,) = said
    assert line.startswith("false:1:")
    assert "not so" in line


def test_every_structure_is_compared():
    kinds = {kind for kind in vars(ours).values() if isinstance(kind, type) and issubclass(kind, ctypes.Structure)}
    assert kinds == set(STRUCTURES)
