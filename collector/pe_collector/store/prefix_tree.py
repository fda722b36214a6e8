"""Into which prefixes are addresses put together? The levels of a tree, each a beginning of the address's key."""

from __future__ import annotations

from collections.abc import Mapping

# IP version -> the levels of the tree in bits; below the last one come machines. All end at a hexadecimal digit.
LEVELS: Mapping[int, tuple[int, ...]] = {4: (8, 16, 20, 24), 6: (32, 48, 56, 64)}
# Levels that are counted by the hour; at the last there are as many prefixes as subnets.
COUNTED = len(LEVELS[4]) - 1


def key_octets(level: int) -> Mapping[int, int]:
    """IP version -> so much of an address key belongs to this level: the version itself and hexadecimal digits."""
    return {version: 1 + bits[level] // 4 for version, bits in LEVELS.items()}


def head_of(key: str, level: int) -> str:
    """The beginning of an address key (or of a longer beginning) that stands for its prefix of this level."""
    return key[: key_octets(level)[int(key[0])]]
