"""Does --watch draw an answer again when something comes in, and end quietly?"""

import os
import signal
import subprocess
import sys
import time

import pytest

pty = pytest.importorskip("pty", reason="there is no pseudo-terminal on this system")


def read_until(fd, word, until):
    seen = b""
    while word not in seen:
        assert time.monotonic() < until, seen[-2000:]
        seen += os.read(fd, 65536)
    return seen


def test_a_machine_that_comes_in_appears_and_ctrl_c_ends_it(collector, data, frames):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "40"}
    told = ["deploying", "--watch", "--data", str(data)]
    process = subprocess.Popen(
        [sys.executable, "-m", "pe_collector", *told], stdout=theirs, stderr=theirs, stdin=theirs, env=environment
    )
    os.close(theirs)
    until = time.monotonic() + 200
    try:
        read_until(ours, b"nothing found", until)
        collector.client().send(frames.hello(collector.token), *frames.whole()).stored_through(5)
        read_until(ours, b"B4C0S2", until)
        process.send_signal(signal.SIGINT)
        left = b""
        while process.poll() is None or not left:
            assert time.monotonic() < until
            try:
                left += os.read(ours, 65536) or b"-"
            except OSError:
                break
        assert process.wait(60) == 0
        assert b"Traceback" not in left
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)
