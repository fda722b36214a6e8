"""Where does a process of the laboratory live, and what ends it?

A place is a set of kernel namespaces held by one process that waits for the end of a pipe. Nothing has a name in the
file system: when this program ends in any way, the pipe ends, the holder ends, and as it is the first process
of a PID namespace the kernel kills everything else in there. The network namespace and its links go with it.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_READY = "ip link set dev lo up; echo ready; exec cat"
_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")


class LabError(RuntimeError):
    """The laboratory cannot be built or a daemon in it does not come up."""


class Place:
    """Mount and PID namespaces of their own, with a new network or that of another place.

    Args:
        name: shown in messages only.
        folder: where the output of background processes goes.
        network_of: share the network of that place; None makes a new one.
        fresh_clock: a time namespace whose boot clock starts near 0.
    """

    def __init__(self, name: str, folder: Path, network_of: Place | None = None, *, fresh_clock: bool = False) -> None:
        self.name = name
        self._folder = folder
        self._fresh_clock = fresh_clock
        self._background: list[subprocess.Popen[bytes]] = []
        self._holder = subprocess.Popen(
            self._holder_command(network_of), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.pid = self._wait_until_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def command(self, *words: str) -> list[str]:
        """`words` as a command line that runs inside this place."""
        clock = ("--time",) if self._fresh_clock else ()
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", *clock, "--", *words]

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here and wait for it; its exit code is the caller's to judge."""
        return subprocess.run(
            self.command(*words), env=env, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def must(self, *words: str, stdin: str = "") -> str:
        """Run a program that has to succeed; returns its standard output.

        Raises:
            LabError: it ended with another exit code than 0.
        """
        return self._judged(words, self.run(*words, stdin=stdin))

    def must_from_outside(self, *words: str, stdin: str = "") -> str:
        """Run a program in this network only, so that the process identifiers it is given mean what they mean here.

        Raises:
            LabError: as `must`.
        """
        outside = ("nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *words)
        done = subprocess.run(outside, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        return self._judged(words, done)

    @property
    def is_open(self) -> bool:
        """Whether the holder still runs."""
        return self._holder.poll() is None

    def start(self, label: str, words: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Leave a program running here until the place closes; its output goes to `<label>.log`."""
        with (self._folder / f"{label}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(*words), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._background.append(process)
        return process

    def close(self) -> None:
        """End every process of this place; when this returns they are gone."""
        for pipe in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        for process in (self._holder, *self._background):
            process.wait(timeout=10)

    def _judged(self, words: Sequence[str], done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode:
            raise LabError(f"{self.name}: {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _holder_command(self, network_of: Place | None) -> list[str]:
        words = [] if network_of is None else ["nsenter", f"--net=/proc/{network_of.pid}/ns/net", "--"]
        words += _UNSHARE
        if network_of is None:
            words.append("--net")
        if self._fresh_clock:
            # The kernel takes whole seconds well; rounding down keeps the new clock from starting below 0.
            words += ["--time", "--boottime", str(-int(time.clock_gettime(time.CLOCK_BOOTTIME)))]
            words += ["--monotonic", str(-int(time.monotonic()))]
        return [*words, "sh", "-c", _READY]

    def _wait_until_ready(self) -> int:
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            assert self._holder.stderr is not None
            why = self._holder.stderr.read().decode(errors="replace").strip()
            self.close()
            raise LabError(f"{self.name}: no namespaces: {why}")
        parent = self._holder.pid
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()[0])


def time_namespaces_exist() -> bool:
    """Whether this kernel can give a boot its own clock (time_namespaces(7))."""
    return Path("/proc/self/ns/time").exists()
