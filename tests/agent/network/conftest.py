"""Real peers for the network probes: listeners on this machine, and impacket's RPC server in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pe_agent.transport.path import Deadline, Endpoint

HERE = Path(__file__).parent
Serve = Callable[[socket.socket], None]


@pytest.fixture
def listener() -> Iterator[Callable[[Serve], Endpoint]]:
    """Start a peer on 127.0.0.1 that treats each connection with the given function."""
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def treat(accepted: socket.socket, serve: Serve) -> None:
        accepted.settimeout(10)
        with accepted, suppress(OSError):
            serve(accepted)

    def accept(listening: socket.socket, serve: Serve) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                threads.append(threading.Thread(target=treat, args=(accepted, serve), daemon=True))
                threads[-1].start()

    def start(serve: Serve) -> Endpoint:
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)
        threads.append(threading.Thread(target=accept, args=(listening, serve), daemon=True))
        threads[-1].start()
        return Endpoint("127.0.0.1", listening.getsockname()[1])

    yield start
    for sock in sockets:
        # A thread that waits in accept() keeps the port open until it is woken.
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
    for thread in threads:
        thread.join(timeout=10)


@pytest.fixture
def soon() -> Deadline:
    """A deadline that a healthy exchange meets easily."""
    return Deadline(time.monotonic, time.monotonic() + 5)


@pytest.fixture(scope="session")
def impacket_peer() -> Iterator[dict[str, Endpoint]]:
    """impacket's RPC server in its roles, by name (see rpc_server.py)."""
    roles = ("wds", "other", "mapper", "mapper-empty", "mapper-named")
    command = [sys.executable, str(HERE / "rpc_server.py"), *(f"{role}=127.0.0.1:0" for role in roles)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in roles]
        yield {role: Endpoint("127.0.0.1", int(port)) for role, port in lines}
        process.kill()
