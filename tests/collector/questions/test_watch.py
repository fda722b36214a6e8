"""Does --watch draw an answer again when something comes in, and end quietly?"""

import os
import re
import signal
import struct
import subprocess
import sys
import time

import pytest

pty = pytest.importorskip("pty", reason="there is no pseudo-terminal on this system")
fcntl = pytest.importorskip("fcntl", reason="there is no pseudo-terminal on this system")
termios = pytest.importorskip("termios", reason="there is no pseudo-terminal on this system")


def read_until(fd, word, until):
    seen = b""
    while word not in seen:
        assert time.monotonic() < until, seen[-2000:]
        seen += os.read(fd, 65536)
    return seen


def watched(seeded, columns):
    """What a terminal of so many columns is shown of the board, line by line, its escape sequences left out."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    bare = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    told = [
        sys.executable,
        "-m",
        "pe_collector",
        "deploying",
        "--watch",
        "--since",
        "1d",
        "--limit",
        "20",
        "--data",
        str(seeded.data),
    ]
    process = subprocess.Popen(told, stdout=theirs, stderr=theirs, stdin=theirs, env=bare | {"TERM": "xterm"})
    os.close(theirs)
    try:
        seen = read_until(ours, b"Ctrl-C ends", time.monotonic() + 200)
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).splitlines()]


def test_a_terminal_of_80_columns_shows_state_phases_and_reason(seeded):
    lines = watched(seeded, 80)
    head = next(number for number, line in enumerate(lines) if line.split()[:1] == ["serial"])
    assert lines[head].split() == ["serial", "address", "state", "phases", "reason"]
    assert max(map(len, lines)) <= 80
    failed = [line for line in lines[head + 1 :] if " failed " in line]
    assert failed
    assert all(re.search(r" failed +[.owrF]*F[.owrF]* +\S", line) for line in failed), failed


def test_a_wide_terminal_shows_all_columns(seeded):
    lines = watched(seeded, 700)
    (head,) = (line.split() for line in lines if line.split()[:1] == ["machine_id"])
    assert {"phase_link", "phase_rpc", "reason", "code"} <= set(head)


def test_a_machine_that_comes_in_appears_and_ctrl_c_ends_it(collector, data, frames):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "40"}
    told = ["deploying", "--watch", "--data", str(data)]
    process = subprocess.Popen(
        [sys.executable, "-m", "pe_collector", *told],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=environment,
        # What runs in the background of a shell is deaf to it, and so would be this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
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
