"""How does the agent know its collector, and what does that answer? The same for every way of delivery."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pe_agent.errors import UsageError

# The name in every collector's certificate, so that a new IP address needs no new boot image.
CERTIFICATE_NAME = "pe-collector"


@dataclass(frozen=True, slots=True)
class Trust:
    """How to know the collector (`ca`, PEM) and how it knows us (`token`). Without TLS only to loopback."""

    ca: bytes = b""
    token: str = ""
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """The collector's last word: frames on disk, whether the report is whole, and its code for the phone.

    `wall_ms` is the collector's clock at that, Unix time, 0 when it did not say.
    """

    collector: str
    stored_through: int
    complete: bool
    code: str
    logs_left_out: int = 0
    wall_ms: int = 0


def read_trust(ca: str, token: str, *, plain: bool) -> Trust:
    """Trust from files.

    Raises:
        UsageError: no CA certificate was named, or it cannot be read.
    """
    if plain:
        return Trust(b"", token, plain=True)
    if not ca:
        raise UsageError("no CA certificate: name the ca.pem that `pe-collector init` wrote with --ca")
    try:
        return Trust(Path(ca).read_bytes(), token)
    except OSError as exc:
        raise UsageError(f"CA certificate {ca}: {exc.strerror}") from exc


def check_addresses(addresses: Iterable[str], trust: Trust) -> None:
    """Nothing leaves this machine without TLS.

    Raises:
        UsageError: there is no TLS and an address is not on loopback.
    """
    given = tuple(addresses)
    if trust.plain and not all(_is_loopback(address) for address in given):
        raise UsageError(f"{', '.join(given)}: without TLS only a collector on loopback may be used")


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def with_advice(refusal: str, advice: str) -> str:
    """A collector's refusal and what to do, once: it may have named the very command itself."""
    command = advice.partition("`")[2].partition("`")[0]
    return refusal if command and command in refusal else f"{refusal}; {advice}"
