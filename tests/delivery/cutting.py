"""A TCP proxy whose first connections break after so many octets each; later ones pass."""

import asyncio
import contextlib
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Cut:
    """After so many octets to the collector, or from it; None: never."""

    upward: int | None = None
    downward: int | None = None


class Cutter:
    """Proxies in a thread of their own; `octets` counts what went up through connections that were not cut."""

    def __init__(self, target):
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers = []
        self.octets = {"upward": 0, "downward": 0}
        self.begun = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def listen(self, *cuts):
        """The address of a new proxy; each cut is of one connection, in order."""
        return asyncio.run_coroutine_threadsafe(self._listen(cuts), self._loop).result(30)

    async def _listen(self, cuts):
        turns = iter(cuts)

        async def serve(reader, writer):
            try:
                back, forth = await asyncio.open_connection(*self._target.split(":"))
            except OSError:
                # Nobody is there now: as if this connection had not been tried.
                writer.transport.abort()
                return
            now = next(turns, Cut())
            self.begun += 1
            pumps = [
                asyncio.ensure_future(self._pump(reader, forth, "upward", now.upward)),
                asyncio.ensure_future(self._pump(back, writer, "downward", now.downward)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                for side in (writer, forth):
                    side.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._servers.append(server)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _pump(self, reader, writer, way, left):
        with contextlib.suppress(OSError):
            while octets := await reader.read(65536 if left is None else max(1, left)):
                octets = octets if left is None else octets[:left]
                writer.write(octets)
                await writer.drain()
                if left is None:
                    self.octets[way] += len(octets)
                    continue
                left -= len(octets)
                if left <= 0:
                    return

    async def _cancel_all(self):
        for server in self._servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
