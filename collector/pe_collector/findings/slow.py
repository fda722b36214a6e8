"""From what wait for an address on is a boot slow?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from pe_collector.boots import Boot
from pe_collector.engine.table import Reals

SLOW = "slow-address"
# So many boots tell what is usual; slow is three times the lower quartile and at least so many seconds more. A port
# that spanning tree holds back answers after 30 s.
_FEWEST = 20
_TIMES = 3.0
_MORE_S = 8.0


def slow_after_s(waits: Reals) -> float | None:
    """Seconds from link to address beyond which a boot of this fleet is slow; None when too few are known (not NaN)."""
    known = waits[~np.isnan(waits)]
    if len(known) < _FEWEST:
        return None
    usual = _lower_quartile(known)
    return max(_TIMES * usual, usual + _MORE_S)


def _lower_quartile(values: Reals) -> float:
    """As `statistics.quantiles` says it: a quarter of the way through, between two values by their distance."""
    place, quarters = divmod(len(values) + 1, 4)
    below, above = np.partition(values, (place - 1, place))[place - 1 : place + 1].tolist()
    return float((below * (4 - quarters) + above * quarters) / 4)


def usual_wait_s(boots: Sequence[Boot]) -> float | None:
    """The median of the seconds from link to address; None when none is known."""
    waits = [boot.link_to_address_s for boot in boots if boot.link_to_address_s is not None]
    return median(waits) if waits else None
