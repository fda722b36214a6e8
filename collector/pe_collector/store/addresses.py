"""How are addresses compared in SQL? As text that sorts as they do, so that a prefix is a stretch of keys."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass

from pe_agent.errors import UsageError


@dataclass(frozen=True, slots=True)
class KeyRange:
    """All addresses of one prefix: its usual spelling, its length in bits, and the first and last key."""

    prefix: str
    length: int
    first: str
    last: str


@functools.lru_cache(maxsize=16_384)
def address_key(address: str | None) -> str | None:
    """4 and 8 hexadecimal digits, or 6 and 32 of them, by IP version; None for what is no address."""
    if not address:
        return None
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return None
    return _key(known)


def key_range(prefix: str) -> KeyRange:
    """The keys of `10.10.0.0/16` or `2001:db8::/32`; a single address is a prefix of its own.

    Raises:
        UsageError: it is no prefix.
    """
    try:
        network = ipaddress.ip_network(prefix.strip(), strict=False)
    except ValueError as exc:
        raise UsageError(f"{prefix!r} is no prefix; it looks like 10.10.0.0/16 or 2001:db8::/32") from exc
    return KeyRange(str(network), network.prefixlen, _key(network[0]), _key(network[-1]))


def _key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"{address.version}{address.packed.hex()}"
