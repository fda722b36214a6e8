"""The run that the boot hook starts: it watches this boot in the background, live, for a bounded time.

The first probe starts before what judges and ships is loaded: on a slow machine that takes a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pe_agent import settings
from pe_agent.errors import PeError
from pe_agent.host import this_host
from pe_agent.probing import Probing, plan_of
from pe_agent.settings import Settings

WAIT_FOR_ADDRESS_S = 120.0
# processthreadsapi.h: BELOW_NORMAL_PRIORITY_CLASS.
_BELOW_NORMAL = 0x0000_4000


def observe_boot(flags: Mapping[str, Any], *, send: bool) -> None:
    """Watch this boot from now on until the logs were followed for `watch_s` seconds."""
    told = _told(flags)
    host = this_host(Path(told.sysroot) if told.sysroot else None)
    probing = Probing(plan_of(host, told), watches_on=True)
    _step_back()
    from pe_agent import signatures  # noqa: PLC0415 - the probes are under way meanwhile
    from pe_agent.session import Run, Session  # noqa: PLC0415

    told = _with_usable_upload(told)
    session = Session(Run(host, told, signatures.load(), "auto", _nobody_looks, send=send))
    session.observe(probing, live=True)
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


def _with_usable_upload(told: Settings) -> Settings:
    """Without a way by HTTPS that cannot be meant: the boot is watched all the same, and gRPC may still work."""
    from pe_agent import sending  # noqa: PLC0415 - the probes are under way meanwhile

    try:
        sending.uploader_of(told)
    except PeError as exc:
        print(f"pe-agent auto: {exc}; going on without it", file=sys.stderr)  # noqa: T201
        return replace(told, upload=())
    return told


def _step_back() -> None:
    """Leave the processor to the deployment. What started this one has mostly done so; on Linux always."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - the probes are under way meanwhile

        kernel32 = ctypes.windll.kernel32
        # -1 is this process (GetCurrentProcess). A refusal changes nothing for anybody.
        kernel32.SetPriorityClass(ctypes.c_void_p(-1), _BELOW_NORMAL)


def _nobody_looks(_: object) -> None:
    return
