"""When has something happened that takes as long as the machine is busy?"""

from __future__ import annotations

import time
from collections.abc import Callable

from .places import LabError

_LOOK_EVERY_S = 0.05


def wait_until(what: str, condition: Callable[[], object], within_s: float = 90.0) -> None:
    """Return as soon as the condition holds.

    Raises:
        LabError: it did not within `within_s`; the message says `what` was waited for.
    """
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            raise LabError(f"after {within_s:g} s not yet: {what}")
        time.sleep(_LOOK_EVERY_S)
