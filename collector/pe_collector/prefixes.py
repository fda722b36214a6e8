"""What is an IP prefix, and what lies in it? IPv4 and IPv6 alike."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True, order=True)
class Prefix:
    """An IP prefix; `network` is its address with all bits after `length` zero."""

    version: int
    network: int
    length: int

    def __str__(self) -> str:
        address = ipaddress.ip_address(self.network.to_bytes(_BITS[self.version] // 8, "big"))
        return f"{address}/{self.length}"

    def holds(self, other: Prefix) -> bool:
        """Whether the other one lies in this one, or is the same."""
        if self.version != other.version or self.length > other.length:
            return False
        return _cut(self.version, other.network, self.length) == self.network


def parse_address(text: str) -> tuple[int, int] | None:
    """(IP version, number); None for what is no address, and for link-local ones, which say no place."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if address.is_link_local else (address.version, int(address))


def parse_prefix(text: str) -> Prefix | None:
    """`10.10.1.0/24` (bits after the length are dropped); None when it is no prefix or link-local."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if "/" not in text or network.is_link_local:
        return None
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def is_place(text: str) -> bool:
    """Whether it is an IP address, or one with a length as in `10.10.1.7/24`; link-local ones are addresses too."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def holds_address(prefix: str, address: str) -> bool:
    """Whether the prefix holds the address; False when either is none."""
    place, number = parse_prefix(prefix), parse_address(address)
    return place is not None and number is not None and place.holds(Prefix(number[0], number[1], _BITS[number[0]]))


def _cut(version: int, number: int, length: int) -> int:
    shift = _BITS[version] - length
    return number >> shift << shift
