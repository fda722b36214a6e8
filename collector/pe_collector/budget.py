"""How many octets may wait for the disk? Whoever wants more waits first."""

from __future__ import annotations

import asyncio


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
