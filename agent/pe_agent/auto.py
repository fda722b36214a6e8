"""The boot hook: detach, work in the background, never hold up a deployment, always end with 0."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pe_agent import settings, signatures
from pe_agent.errors import PeError
from pe_agent.host import this_host
from pe_agent.model import Record
from pe_agent.session import Run, Session
from pe_agent.settings import Settings

WAIT_FOR_ADDRESS_S = 120.0
# processthreadsapi.h: detached, a new process group, below normal priority.
_BELOW_NORMAL = 0x0000_4000
_DETACHED = 0x0000_0008 | 0x0000_0200 | _BELOW_NORMAL


def run_hook(flags: Mapping[str, Any], *, foreground: bool, send: bool) -> None:
    """Start the background run and return at once, or with `foreground` be that run.

    Whatever goes wrong is said on stderr and nowhere else: a deployment must not notice.
    """
    try:
        if foreground:
            observe_boot(flags, send=send)
        else:
            _detach()
    except (PeError, OSError) as exc:
        print(f"pe-agent auto: {exc}", file=sys.stderr)  # noqa: T201 - there is nobody else to tell


def observe_boot(flags: Mapping[str, Any], *, send: bool) -> None:
    """Watch this boot from now on until the logs were followed for `watch_s` seconds."""
    _step_back()
    told = _told(flags)
    host = this_host(Path(told.sysroot) if told.sysroot else None)
    session = Session(Run(host, told, signatures.load(), "auto", _nobody_looks, send=send))
    session.observe(live=True)
    session.follow(told.watch_s)
    session.conclude()
    session.deliver()


def _told(flags: Mapping[str, Any]) -> Settings:
    """Settings; a damaged agent.toml leaves the defaults, because a boot without a report helps nobody."""
    given = {name: value for name, value in flags.items() if name != "config"}
    try:
        told = settings.load(given, os.environ, flags.get("config") or "")
    except PeError as exc:
        print(f"pe-agent auto: {exc}; going on without it", file=sys.stderr)  # noqa: T201
        told = replace(Settings(), **{n: v for n, v in given.items() if v not in (None, ())})
    return told if told.wait_for_address_s else replace(told, wait_for_address_s=WAIT_FOR_ADDRESS_S)


def _step_back() -> None:
    """Leave the processor to the deployment. On Linux the program that started this one has done so."""
    if sys.platform == "win32":
        kernel32 = ctypes.windll.kernel32
        # -1 is this process (GetCurrentProcess). A refusal changes nothing for anybody.
        kernel32.SetPriorityClass(ctypes.c_void_p(-1), _BELOW_NORMAL)


def _detach() -> None:
    """Run this very command again with --foreground, out of sight and below normal priority."""
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


def _nobody_looks(_: Record) -> None:
    return
