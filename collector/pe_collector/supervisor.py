"""Does systemd know that the collector is ready and alive? Datagrams as sd_notify(3) describes them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Whoever started us; `address` None: nobody asks. `ping_s` None: nobody watches."""

    address: str | None = None
    ping_s: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Supervisor:
        """What NOTIFY_SOCKET and WATCHDOG_USEC say; half of the watchdog's time, as sd_watchdog_enabled(3) advises."""
        name, usec = environment.get("NOTIFY_SOCKET", ""), environment.get("WATCHDOG_USEC", "")
        if not name.startswith(("/", "@")):
            return cls()
        address = "\0" + name[1:] if name.startswith("@") else name
        return cls(address, int(usec) / 2e6 if usec.isdigit() and int(usec) > 0 else None)

    def say(self, state: str) -> None:
        """One datagram. A supervisor that cannot be reached does not stop the collector: it will do that itself."""
        if self.address is None or sys.platform == "win32":
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0.0)
                sock.sendto(state.encode(), self.address)
        except OSError as exc:
            _log.warning("systemd was not told %s: %s", state.partition("\n")[0], exc)


@contextlib.asynccontextmanager
async def supervised(supervisor: Supervisor, is_alive: Callable[[], bool]) -> AsyncIterator[None]:
    """Ready inside the block, and pinged from this loop while `is_alive`: a loop that hangs is not alive, either."""
    supervisor.say("READY=1\nSTATUS=taking reports")
    pinging = asyncio.create_task(_ping(supervisor, is_alive))
    try:
        yield
    finally:
        pinging.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pinging
        supervisor.say("STOPPING=1")


async def _ping(supervisor: Supervisor, is_alive: Callable[[], bool]) -> None:
    if supervisor.ping_s is None:
        return
    while True:
        if is_alive():
            supervisor.say("WATCHDOG=1")
        else:
            _log.error("nothing is stored any more; systemd will start the collector again")
        await asyncio.sleep(supervisor.ping_s)
