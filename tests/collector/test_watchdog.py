"""Does systemd hear that the collector lives for as long as reports are stored, and no longer?"""

import asyncio
import socket
import sys

import pytest
from pe_collector.supervisor import Supervisor, supervised

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd")


def heard(path, is_alive):
    """What a supervisor hears in 0.3 s that is pinged every 0.05 s."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.setblocking(False)

        async def live():
            async with supervised(Supervisor(str(path), 0.05), is_alive):
                await asyncio.sleep(0.3)

        asyncio.run(live())
        said = []
        while True:
            try:
                said.append(sock.recv(200).decode().partition("\n")[0])
            except BlockingIOError:
                return said


def test_while_reports_are_stored_it_is_told_again_and_again(tmp_path):
    said = heard(tmp_path / "notify", lambda: True)
    assert said[0] == "READY=1"
    assert said[-1] == "STOPPING=1"
    assert said.count("WATCHDOG=1") >= 2


def test_when_nothing_is_stored_any_more_it_is_not(tmp_path):
    assert heard(tmp_path / "notify", lambda: False) == ["READY=1", "STOPPING=1"]
