"""What does the payload for an architecture consist of? (payload.toml)"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from pe_image.errors import ImageError


class PayloadError(ImageError):
    """A payload that cannot be built; the message says why, and what to do."""


def _no_pins() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """A row of payload.toml. `transport`: how the agent sends from there, `grpc` or `https`."""

    architecture: str
    platform: str
    transport: str
    wheels: tuple[str, ...]
    extras: tuple[str, ...] = ()
    pins: Mapping[str, str] = field(default_factory=_no_pins)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file without a signature whose content is known to be right; hash in hexadecimal."""

    name: str
    version: str
    sha256: str


def load_targets() -> tuple[Target, ...]:
    """Every architecture there is a payload for."""
    return tuple(
        Target(**row | {"wheels": tuple(row["wheels"]), "extras": tuple(row["extras"])}) for row in _table()["target"]
    )


def load_known_files() -> tuple[KnownFile, ...]:
    """The table of files that are known by their hash."""
    return tuple(KnownFile(**row) for row in _table()["known_file"])


def target_for(architecture: str) -> Target:
    """The row of an architecture.

    Raises:
        PayloadError: there is none.
    """
    for target in load_targets():
        if target.architecture == architecture:
            return target
    raise PayloadError(f"there is no payload for {architecture or 'this kind of'} machines")


def tls_patterns() -> tuple[str, ...]:
    """Which files of an embeddable Python are its own TLS, in lower case."""
    return tuple(_table()["tls"]["parts"])


def is_left_out(path: str, *groups: str) -> bool:
    """Whether a path (with slashes) fits a pattern of these groups; case does not matter."""
    patterns = (pattern for group in groups for pattern in _table()["leave_out"][group])
    return any(fnmatchcase(path.lower(), pattern.lower()) for pattern in patterns)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files("pe_image").joinpath("payload.toml").read_text(encoding="utf-8"))
