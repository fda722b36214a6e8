"""The structures of the Windows calls the agent makes, laid out so that their sizes can be checked anywhere.

`ctypes.wintypes` is not used: its DWORD has 8 octets outside Windows. Sizes hold for 64-bit and 32-bit alike
where pointers are pointers. Source: iphlpapi headers (iptypes.h, netioapi.h), ws2def.h, sysinfoapi.h, dhcpcsdk.h.
"""

from __future__ import annotations

import ctypes
import ipaddress
from ctypes import (
    POINTER,
    c_byte,
    c_char_p,
    c_int32,
    c_int64,
    c_ubyte,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
    c_wchar_p,
)

AF_INET, AF_INET6 = 2, 23


class SocketAddress(ctypes.Structure):
    """SOCKET_ADDRESS: a pointer to a sockaddr and its length."""

    _fields_ = (("sockaddr", c_void_p), ("length", c_int32))


class AddressEntry(ctypes.Structure):
    """The common beginning of IP_ADAPTER_UNICAST_ADDRESS and IP_ADAPTER_GATEWAY_ADDRESS."""


AddressEntry._fields_ = (
    ("length", c_uint32),
    ("flags", c_uint32),
    ("next", POINTER(AddressEntry)),
    ("address", SocketAddress),
)


class AdapterAddresses(ctypes.Structure):
    """IP_ADAPTER_ADDRESSES_LH up to Dhcpv4Server, which is as far as the agent reads."""


AdapterAddresses._fields_ = (
    ("length", c_uint32),
    ("if_index", c_uint32),
    ("next", POINTER(AdapterAddresses)),
    ("adapter_name", c_char_p),
    ("first_unicast", POINTER(AddressEntry)),
    ("first_anycast", c_void_p),
    ("first_multicast", c_void_p),
    ("first_dns_server", POINTER(AddressEntry)),
    ("dns_suffix", c_wchar_p),
    ("description", c_wchar_p),
    ("friendly_name", c_wchar_p),
    ("physical_address", c_ubyte * 8),
    ("physical_address_length", c_uint32),
    ("flags", c_uint32),
    ("mtu", c_uint32),
    ("if_type", c_uint32),
    ("oper_status", c_uint32),
    ("ipv6_if_index", c_uint32),
    ("zone_indices", c_uint32 * 16),
    ("first_prefix", c_void_p),
    ("transmit_link_speed", c_uint64),
    ("receive_link_speed", c_uint64),
    ("first_wins_server", c_void_p),
    ("first_gateway", POINTER(AddressEntry)),
    ("ipv4_metric", c_uint32),
    ("ipv6_metric", c_uint32),
    ("luid", c_uint64),
    ("dhcpv4_server", SocketAddress),
)


class UnicastAddressRow(ctypes.Structure):
    """MIB_UNICASTIPADDRESS_ROW: an address with the moment it was made (FILETIME units)."""

    _fields_ = (
        ("address", c_ubyte * 28),
        ("luid", c_uint64),
        ("if_index", c_uint32),
        ("prefix_origin", c_uint32),
        ("suffix_origin", c_uint32),
        ("valid_lifetime", c_uint32),
        ("preferred_lifetime", c_uint32),
        ("on_link_prefix_length", c_ubyte),
        ("skip_as_source", c_byte),
        ("dad_state", c_uint32),
        ("scope_id", c_uint32),
        ("creation_time", c_int64),
    )


class InterfaceRow(ctypes.Structure):
    """MIB_IF_ROW2 (1352 octets): what an interface counts; the counters after the received frames are not read."""

    _fields_ = (
        ("luid", c_uint64),
        ("if_index", c_uint32),
        ("guid", c_ubyte * 16),
        ("alias", c_uint16 * 257),
        ("description", c_uint16 * 257),
        ("physical_address_length", c_uint32),
        ("physical_address", c_ubyte * 32),
        ("permanent_address", c_ubyte * 32),
        ("mtu_to_direction", c_uint32 * 7),
        ("flags", c_ubyte),
        ("states", c_uint32 * 3),
        ("network_guid", c_ubyte * 16),
        ("connection_type", c_uint32),
        ("transmit_link_speed", c_uint64),
        ("receive_link_speed", c_uint64),
        ("in_octets", c_uint64),
        ("in_unicast_frames", c_uint64),
        ("in_other_frames", c_uint64),
        ("other_counters", c_uint64 * 15),
    )


class NeighbourRow(ctypes.Structure):
    """MIB_IPNET_ROW2 (88 octets): an entry of the neighbour table."""

    _fields_ = (
        ("address", c_ubyte * 28),
        ("if_index", c_uint32),
        ("luid", c_uint64),
        ("physical_address", c_ubyte * 32),
        ("physical_address_length", c_uint32),
        ("state", c_uint32),
        ("flags", c_ubyte),
        ("reachability_time", c_uint32),
    )


class SystemInfo(ctypes.Structure):
    """SYSTEM_INFO, its first two fields apart."""

    _fields_ = (
        ("processor_architecture", c_uint16),
        ("reserved", c_uint16),
        ("page_size", c_uint32),
        ("minimum_address", c_void_p),
        ("maximum_address", c_void_p),
        ("active_processors", c_void_p),
        ("number_of_processors", c_uint32),
        ("processor_type", c_uint32),
        ("granularity", c_uint32),
        ("level", c_uint16),
        ("revision", c_uint16),
    )


class DhcpParameter(ctypes.Structure):
    """DHCPCAPI_PARAMS: one option; `octets` points into the caller's buffer."""

    _fields_ = (
        ("flags", c_uint32),
        ("option", c_uint32),
        ("is_vendor", c_int32),
        ("octets", c_void_p),
        ("length", c_uint32),
    )


class DhcpParameters(ctypes.Structure):
    """DHCPCAPI_PARAMS_ARRAY, passed by value."""

    _fields_ = (("count", c_uint32), ("first", POINTER(DhcpParameter)))


def ip_of_sockaddr(octets: bytes) -> str:
    """The address in a sockaddr_in or sockaddr_in6; empty for any other family or a cut one."""
    family = int.from_bytes(octets[:2], "little")
    if family == AF_INET and len(octets) >= 8:
        return str(ipaddress.IPv4Address(octets[4:8]))
    if family == AF_INET6 and len(octets) >= 24:
        return str(ipaddress.IPv6Address(octets[8:24]))
    return ""
