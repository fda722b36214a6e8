"""Did a fault pause? The stretch inside its period in which boots were well again."""

from __future__ import annotations

from math import log

import numpy as np

from pe_collector.engine.table import Flags, Reals

# So many times likelier must it be that the fault paused, for each way to choose where.
_CLEAR = 1000.0
_MOST_RATE = 0.99


def pause(failed: Flags, counts: Reals, background: float) -> tuple[int, int] | None:
    """First and last place (included) of the stretch in which boots failed as rarely as with no fault; None: none.

    Args:
        failed: boots inside in order of time, those that failed the same way; the first and the last did.
        counts: how many boots each stands for.
        background: how often boots fail so elsewhere, above 0.
    """
    if not failed.any():
        return None
    found: tuple[int, int] | None = None
    # What lies in the pause makes the fault look intermittent: once more with the rate of the rest.
    for _ in range(3):
        rest = np.ones(len(failed), dtype=np.bool_)
        if found is not None:
            rest[found[0] : found[1] + 1] = False
        rate = min(_MOST_RATE, float(counts[failed & rest].sum() / counts[rest].sum()))
        if rate <= 2 * background:
            return None
        ratios = counts * np.where(failed, log(background / rate), log((1.0 - background) / (1.0 - rate)))
        found, worth = _best_stretch(ratios)
        if worth < log(_CLEAR) + 2 * log(len(failed)):
            return None
    return found


def _best_stretch(ratios: Reals) -> tuple[tuple[int, int], float]:
    """The stretch with the largest sum."""
    through = np.cumsum(ratios)
    before = np.minimum.accumulate(through - ratios)
    end = int(np.argmax(through - before))
    start = int(np.argmin((through - ratios)[: end + 1]))
    return (start, end), float((through - before)[end])
