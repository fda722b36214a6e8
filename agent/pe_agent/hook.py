"""The boot hook: detach, return at once, and never let a deployment notice.

What is imported here is paid for twice at every boot: by the program that detaches and by the one that works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pe_agent.errors import PeError

# processthreadsapi.h: detached, a new process group, below normal priority.
_DETACHED = 0x0000_0008 | 0x0000_0200 | 0x0000_4000
_PLAIN_FLAGS = {"--foreground", "--no-send"}


def is_plain(words: Iterable[str]) -> bool:
    """Whether these are the words of an image's hook, which need no command-line parser to be understood."""
    command, *flags = (*words, "")
    return command == "auto" and set(flags) - {""} <= _PLAIN_FLAGS


def run_plain(words: Iterable[str]) -> None:
    """`auto` as an image's hook says it."""
    flags = set(words)
    run_hook({}, foreground="--foreground" in flags, send="--no-send" not in flags)


def run_hook(flags: Mapping[str, Any], *, foreground: bool, send: bool) -> None:
    """Start the background run and return at once, or with `foreground` be that run.

    Whatever goes wrong is said on stderr and nowhere else: a deployment must not notice.
    """
    try:
        if not foreground:
            _detach()
            return
        from pe_agent.auto import observe_boot  # noqa: PLC0415 - the program that detaches does without

        observe_boot(flags, send=send)
    except (PeError, OSError) as exc:
        print(f"pe-agent auto: {exc}", file=sys.stderr)  # noqa: T201 - there is nobody else to tell


def _detach() -> None:
    """Run this very command again with --foreground, out of sight and below normal priority."""
    import subprocess  # noqa: PLC0415 - the program that works does without

    command = [sys.executable, "-m", "pe_agent", *sys.argv[1:], "--foreground"]
    windows = sys.platform == "win32"
    subprocess.Popen(
        command if windows else ["nice", "-n", "10", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=_DETACHED if windows else 0,
        start_new_session=not windows,
    )
