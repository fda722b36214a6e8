"""Who may come in now? Rates and caps by source and by token, before anything is read from the disk."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pe_collector.budget import Buckets, Rate
from pe_collector.refusal import Reason, Refused

# A site behind one address is one source; so is everybody in one of these networks.
_V4_PREFIX, _V6_PREFIX = 24, 56


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Rates are reports begun a second; `wrong` counts tries without a good token. Caps are sessions open at once."""

    source: Rate = field(default_factory=lambda: Rate(200.0, 5_000.0))
    token: Rate = field(default_factory=lambda: Rate(500.0, 20_000.0))
    wrong: Rate = field(default_factory=lambda: Rate(5.0, 500.0))
    sessions: int = 8_000
    sessions_of_source: int = 4_000
    sessions_of_token: int = 8_000


class Gate:
    """Belongs to one loop; what it knows is bounded and in memory only."""

    def __init__(self, limits: GateLimits, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._sources = Buckets(limits.source, now_s=now_s)
        self._tokens = Buckets(limits.token, now_s=now_s)
        self._wrong = Buckets(limits.wrong, now_s=now_s)
        self._open: Counter[str] = Counter()

    def knock(self, peer: str) -> None:
        """Somebody wants to begin a report.

        Raises:
            Refused: too many came from there, or too many with a wrong token.
        """
        source = source_of(peer)
        if self._wrong.is_empty(source):
            raise Refused(Reason.FLOOD, "too many tries without a good token came from this network; try again later")
        _refuse_after(self._sources.take(source), "reports from this network")

    def wrong(self, peer: str) -> None:
        """What was shown was no good token."""
        self._wrong.take(source_of(peer))

    @contextlib.contextmanager
    def session(self, peer: str, token_id: str) -> Iterator[None]:
        """Count a session while it lasts.

        Raises:
            Refused: there are too many, or too many were begun with this token.
        """
        _refuse_after(self._tokens.take(token_id), "reports with this token")
        caps = {
            "all": self._limits.sessions,
            f"source {source_of(peer)}": self._limits.sessions_of_source,
            f"token {token_id}": self._limits.sessions_of_token,
        }
        for name, most in caps.items():
            if self._open[name] >= most:
                raise Refused(Reason.BUSY, f"{most} reports are under way ({name.partition(' ')[0]}); try again later")
        self._open.update(caps.keys())
        try:
            yield
        finally:
            self._open.subtract(caps.keys())
            for name in caps:
                if not self._open[name]:
                    del self._open[name]

    @property
    def sessions(self) -> int:
        """Sessions open now."""
        return self._open["all"]


def host_of(peer: str) -> str:
    """The address in gRPC's word for a peer (`ipv4:10.1.2.3:4711`, `ipv6:%5B::1%5D:4711`), or in an upload's."""
    _, _, rest = peer.partition(":")
    return rest.replace("%5B", "[").replace("%5D", "]").rpartition(":")[0].strip("[]")


def source_of(peer: str) -> str:
    """The network a peer is counted with; the peer itself when it has no address."""
    return _network_of(host_of(peer).partition("%")[0]) or peer[:100]


@functools.lru_cache(maxsize=16_384)
def _network_of(host: str) -> str:
    """Empty for what is no address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None) or address
    bits = _V4_PREFIX if mapped.version == 4 else _V6_PREFIX
    return str(ipaddress.ip_network((mapped, bits), strict=False))


def _refuse_after(wait_s: float, what: str) -> None:
    if wait_s:
        raise Refused(Reason.FLOOD, f"too many {what} at once; try again in {max(1, round(wait_s))} s")
