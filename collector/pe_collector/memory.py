"""How is memory kept that comes and goes with every report? By telling C library and interpreter to look less often."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

# Numbers of mallopt(3) in glibc, and octets.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEPT, _AHEAD, _APART = 64 * 1024 * 1024, 4 * 1024 * 1024, 32 * 1024 * 1024
# New objects between two searches for cycles; a report makes some thousand, and hardly a cycle.
_OBJECTS = 50_000


def keep_memory() -> None:
    """Buffers of logs stay mapped: a page that has to be made anew costs more than what is done with it.

    Where the C library has no such setting nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for setting, octets in ((_M_MMAP_THRESHOLD, _APART), (_M_TRIM_THRESHOLD, _KEPT), (_M_TOP_PAD, _AHEAD)):
            mallopt(setting, octets)


def collect_seldom() -> None:
    """What was loaded at the start stays, so that nothing of it is looked at again; of the rest, cycles are rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
