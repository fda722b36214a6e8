"""What is a pattern? A group of boots that fails the same way, with all that is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pe_collector.boots import Boot
from pe_collector.statistics import Counts


@dataclass(frozen=True, slots=True)
class Alternative:
    """Other conditions that fit nearly as well, and the boot that would decide between the two."""

    conditions: Mapping[str, str]
    decided_by: str


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A value that the failed boots share and that is not the cause: boots with it elsewhere do not fail."""

    attribute: str
    value: str
    failed_elsewhere: int
    boots_elsewhere: int

    @property
    def because(self) -> str:
        """For a ticket."""
        well = self.boots_elsewhere - self.failed_elsewhere
        return f"{well:,} of {self.boots_elsewhere:,} boots elsewhere with {self.attribute} {self.value} do not fail so"


@dataclass(frozen=True, slots=True)
class Considered:
    """A condition that the search looked at, with what it is worth in the period that suits it best.

    `onset_s` and `ended_s` are the first and last failure of that period, None where it goes to the end of the boots.
    """

    conditions: Mapping[str, str]
    score: float
    failed: int
    boots: int
    onset_s: float | None = None
    ended_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A group of boots that fails the same way; counts are boots, times are Unix seconds by the collector's clock.

    Attributes:
        kind: fault, warning, silence or pair.
        signature: the finding most boots show first, then the others that go with it.
        target: what the failed boots could not reach, where nearly all agree; or empty.
        onset_s: first failure after a healthy period; None when the boots seen do not go back to one.
        onset_after_s: last good boot before the onset.
        ended_s: last failure, when boots there are well again since; None while it lasts.
        p_value: exact test, corrected for all the conditions that were looked at.
        failed: the boots themselves, in order of time.
        said: a sentence of its own for kinds whose counts are not boots; else empty.
    """

    id: str
    kind: str
    signature: tuple[str, ...]
    conditions: Mapping[str, str]
    target: str
    counts: Counts
    score: float
    p_value: float
    machines: tuple[str, ...]
    failed: tuple[Boot, ...]
    onset_s: float | None = None
    onset_after_s: float | None = None
    ended_s: float | None = None
    last_healthy: Boot | None = None
    looked_at: int = 1
    alternatives: tuple[Alternative, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    considered: tuple[Considered, ...] = ()
    said: str = ""
