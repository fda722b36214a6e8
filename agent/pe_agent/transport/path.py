"""What stopped a connection, and by when must it answer? The words the transport speaks in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pe_agent.observed import FactValue, Reason


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address (IPv4, IPv6 with or without scope) and a TCP port; as text `ADDR:PORT` or `[v6]:PORT`."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Endpoint | None:
        """The endpoint that `str` wrote; None when the text is no such thing."""
        address, colon, port = text.rpartition(":")
        if address.startswith("[") and address.endswith("]"):
            address = address[1:-1]
        try:
            ipaddress.ip_address(address)
            number = int(port)
        except ValueError:
            return None
        return cls(address, number) if colon and 0 < number <= 0xFFFF else None


@dataclass(frozen=True, slots=True)
class Deadline:
    """One moment, in seconds on `clock_s`, that ends everything; never restarted by octets that arrive."""

    clock_s: Callable[[], float]
    at_s: float

    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at_s - self.clock_s())

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(self.clock_s, min(self.at_s, self.clock_s() + seconds))


class PathFailure(Exception):
    """A path does not do what was asked of it: why, and what was seen on the way."""

    def __init__(self, reason: Reason, facts: Mapping[str, FactValue]) -> None:
        super().__init__(f"{reason} {dict(facts)}")
        self.reason = reason
        self.facts = facts
