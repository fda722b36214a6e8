"""Where does the collector listen?"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from pe_agent.errors import UsageError


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: address, port (0 lets the system choose), with TLS unless `plain`."""

    host: str
    port: int
    plain: bool = False

    @classmethod
    def parse(cls, text: str, *, plain: bool) -> Listen:
        """`HOST:PORT`, `[v6]:PORT`.

        Raises:
            UsageError: it is not of that form, or without TLS and not on loopback.
        """
        host, colon, port = text.rpartition(":")
        host = host.strip("[]")
        if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
            raise UsageError(f"{text!r}: HOST:PORT is needed, for example 0.0.0.0:7443")
        if plain and not is_loopback(host):
            raise UsageError(f"{text}: --plain is for loopback only; reports cross a network with TLS or not at all")
        return cls(host, int(port), plain)

    @classmethod
    def for_people(cls, text: str) -> Listen:
        """Where people ask: with TLS unless the address is on loopback.

        Raises:
            UsageError: it is not of the form HOST:PORT.
        """
        listen = cls.parse(text, plain=False)
        return replace(listen, plain=is_loopback(listen.host))

    @property
    def security(self) -> str:
        """In the words of the line that says the port is open."""
        return "no TLS" if self.plain else "TLS"

    def at(self, port: int) -> str:
        """`HOST:PORT` with the port that is really open."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether nothing outside this machine reaches that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
