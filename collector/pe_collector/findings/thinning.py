"""How many reports of each hour does a look take in? All of the newest, of older hours fewer and fewer.

Which of an hour, the names of the machines decide (they are hashes): the reports of those that come first. So the
same machines stay from hour to hour, with all that they did well and badly, and an old hour is the hour of a smaller
fleet.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Final

# So much of `most` is kept besides of what is older, however much that is.
_OLDER: Final = 0.5


def kept_of(newest: int, most: int) -> int:
    """How many of so many newest reports are kept: all up to `most`; never 1.5 times as many.

    Of the report of rank r then one in 4 (r / most) ** 1.5 is kept.
    """
    if newest <= most:
        return newest
    return most + int(_OLDER * most * (1.0 - sqrt(most / newest)))


def rooms(sizes: Mapping[int, int], most: int) -> dict[int, int]:
    """By hour, how many of its reports are kept; `sizes` is how many there are."""
    found: dict[int, int] = {}
    newer = 0
    for hour in sorted(sizes, reverse=True):
        found[hour] = kept_of(newer + sizes[hour], most) - kept_of(newer, most)
        newer += sizes[hour]
    return found
