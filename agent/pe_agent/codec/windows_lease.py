"""Which DHCP options does Windows keep of a lease? The octets of the registry value DhcpInterfaceOptions.

Each option is five 32-bit numbers, little-endian (code, unused, octets, unused, the Unix time when it lapses), and its
octets, filled up to a multiple of four. Microsoft does not document the layout; it is that of published registry dumps.
"""

from __future__ import annotations

import struct

from pe_agent.errors import DecodeError

_HEAD = struct.Struct("<5I")
# An option of DHCP has 255 octets at most; several of one code are joined (RFC 3396).
_MOST_OCTETS = 65535


def decode_kept_options(octets: bytes) -> dict[int, bytes]:
    """Code -> value, as `dhcp.decode_options` gives them; options kept without a value are left out.

    Raises:
        DecodeError: an option claims more octets than there are, or a code that none has.
    """
    found: dict[int, bytes] = {}
    at = 0
    while at < len(octets):
        if at + _HEAD.size > len(octets):
            raise DecodeError(f"kept DHCP options end in the middle of a head at octet {at} of {len(octets)}")
        code, _, length, _, _ = _HEAD.unpack_from(octets, at)
        at += _HEAD.size
        if code > 0xFF or length > min(_MOST_OCTETS, len(octets) - at):
            raise DecodeError(f"kept DHCP option {code} of {length} octets at octet {at} of {len(octets)}")
        if length:
            found[code] = octets[at : at + length]
        at += (length + 3) & ~3
    return found
