"""How many octets may wait for the disk, and how often may somebody come? Whoever wants more waits, or is refused."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from pe_collector.refusal import Reason, Refused

# Of a frame besides its octets, in memory: parsed, and as rows. Measured with frames of nine octets.
FRAME_COST = 1536


def cost_of(octets: int, frames: int) -> int:
    """What a message with so many frames may take in memory on its way to the disk, in octets."""
    return octets + frames * FRAME_COST


class Budget:
    """Octets in flight, bounded; one loop only. Who comes first is served first; more than all of it goes alone.

    `most_held`: octets that those who wait may hold meanwhile.
    """

    def __init__(self, octets: int, most_held: int = sys.maxsize) -> None:
        self._octets = octets
        self._used = 0
        self._most_held = most_held
        self._held = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def take(self, octets: int, held: int = 0) -> None:
        """Wait until there is room.

        Raises:
            Refused: those who wait hold too much.
        """
        if not self._waiting and self._fits(octets):
            self._used += octets
            return
        if self._held + held > self._most_held:
            raise Refused(Reason.BUSY, "too much waits for the disk; try again later")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, octets))
        self._held += held
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(octets)
            else:
                self._let_in()
            raise
        finally:
            self._held -= held

    def give(self, octets: int) -> None:
        """What was taken is on disk, or failed."""
        self._used -= octets
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and (self._waiting[0][0].cancelled() or self._fits(self._waiting[0][1])):
            turn, octets = self._waiting.popleft()
            if not turn.cancelled():
                self._used += octets
                turn.set_result(None)

    def _fits(self, octets: int) -> bool:
        return not self._used or self._used + octets <= self._octets


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
