"""When may a silent port be asked again, so that a router's rate limit does not turn "rejected" into "filtered"?

A router that rejects says so only now and then: Linux answers six packets at once and then one a second, Cisco one in
half a second. Once somebody on the way to an address has rejected one of its ports, silence on another may be a
rejection that was not spoken, and the next questions go one by one. Where nobody rejects, nothing has to wait.
A closed UDP port is told by ICMP alone, so silent ones go one by one in any case.
"""

from __future__ import annotations

import threading

APART_S = 1.1


class Turns:
    """Who asks next, by target address; for all probes of a run together, as routers count them together too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at_s: dict[str, float] = {}

    def rejected(self, address: str, now_s: float) -> None:
        """Somebody on the way to this address has rejected a packet."""
        with self._lock:
            self._next_at_s.setdefault(address, now_s + APART_S)

    def take(self, address: str, now_s: float, latest_s: float) -> float:
        """When to ask a port of this address again: now, or in its turn, but not after `latest_s`."""
        with self._lock:
            next_at_s = self._next_at_s.get(address)
            if next_at_s is None:
                return now_s
            at_s = max(now_s, min(max(next_at_s, now_s + APART_S), latest_s))
            self._next_at_s[address] = at_s + APART_S
            return at_s

    def take_in_line(self, address: str, now_s: float, latest_s: float) -> float:
        """When to ask again where every answer is an ICMP error that may be rationed: the first at once."""
        with self._lock:
            at_s = max(now_s, min(self._next_at_s.get(address, now_s), latest_s))
            self._next_at_s[address] = at_s + APART_S
            return at_s
