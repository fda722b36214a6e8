"""How many octets may wait for the disk, and how often may somebody come? Whoever wants more waits, or is refused."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


class Budget:
    """Octets in flight, bounded; one loop only. Something larger than the whole budget goes through alone."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._used = 0
        self._room = asyncio.Event()

    async def take(self, octets: int) -> None:
        """Wait until there is room."""
        while self._used and self._used + octets > self._octets:
            self._room.clear()
            await self._room.wait()
        self._used += octets

    def give(self, octets: int) -> None:
        """What was taken is on disk, or failed."""
        self._used -= octets
        self._room.set()


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a second over time, and so many at once."""

    per_s: float
    burst: float


class Bucket:
    """A token bucket on a monotonic clock; it is full at first."""

    __slots__ = ("_at_s", "_level", "_rate")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self._rate = rate
        self._level = rate.burst
        self._at_s = now_s

    def take(self, amount: float, now_s: float) -> float:
        """Take that much, 0.0; or nothing, and the seconds after which it will be there."""
        level = self.level(now_s)
        # More than the bucket holds goes through when it is full, and leaves a debt.
        if level >= min(amount, self._rate.burst):
            self._level, self._at_s = level - amount, now_s
            return 0.0
        return (min(amount, self._rate.burst) - level) / self._rate.per_s

    def level(self, now_s: float) -> float:
        """What is in it."""
        return min(self._rate.burst, self._level + max(0.0, now_s - self._at_s) * self._rate.per_s)


class Buckets:
    """A bucket for each name, for so many names; the one not used for longest makes room."""

    def __init__(self, rate: Rate, most: int = 20_000, now_s: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = most
        self._now_s = now_s
        self._of: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str, amount: float = 1.0) -> float:
        """As Bucket.take."""
        return self._bucket(name).take(amount, self._now_s())

    def is_empty(self, name: str) -> bool:
        """Whether nothing is left for this name now."""
        found = self._of.get(name)
        return found is not None and found.level(self._now_s()) < 1.0

    def __len__(self) -> int:
        return len(self._of)

    def _bucket(self, name: str) -> Bucket:
        bucket = self._of.get(name)
        if bucket is None:
            bucket = self._of[name] = Bucket(self._rate, self._now_s())
            if len(self._of) > self._most:
                self._of.popitem(last=False)
        self._of.move_to_end(name)
        return bucket
