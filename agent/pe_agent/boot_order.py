"""Did Setup ask for its server before this machine had an address? Log stamps laid beside the boot's timeline.

Logs carry local wall time without a zone; the timeline counts seconds since boot. One is turned into the other by the
clocks the report began with, and nothing is said when the wall clock was set in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pe_agent.model import Clock, Event, EventKind, FactValue, Observation, Outcome, Reason

PROBE = "boot-order"
# Log stamps are whole seconds; more than this apart, the two clocks did not run together.
_CLOCKS_AGREE_S = 3.0
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?")


@dataclass(frozen=True, slots=True)
class Clocks:
    """A machine's clocks when its report began, and when it is judged."""

    began: Clock
    now: Clock

    @property
    def together(self) -> bool:
        """Whether wall clock and uptime went on at the same pace, in one time zone."""
        wall_s = (self.now.wall_ms - self.began.wall_ms) / 1000
        uptime_s = self.now.uptime_s - self.began.uptime_s
        same_zone = self.now.utc_offset_min == self.began.utc_offset_min
        return same_zone and abs(wall_s - uptime_s) <= _CLOCKS_AGREE_S

    def at_boot_s(self, stamp: str) -> float | None:
        """Seconds since boot of a local stamp `YYYY-MM-DD HH:MM:SS`; None where that cannot be known.

        A stamp from before this boot or from the future says that the clock was set after it was written.
        """
        match = _STAMP.match(stamp)
        if match is None or not self.together:
            return None
        try:
            local = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or ''}").replace(tzinfo=UTC)
        except ValueError:
            return None
        began_s = self.began.wall_ms / 1000 + self.began.utc_offset_min * 60
        at_s = self.began.uptime_s + local.timestamp() - began_s
        return at_s if -1.0 < at_s <= self.now.uptime_s + _CLOCKS_AGREE_S else None


def boot_order(stamps: Iterable[str], events: Sequence[Event], clocks: Clocks | None) -> Observation | None:
    """What came first, as an answer that signatures can look at; None when either moment is not known.

    `stamps` are those of the log lines in which Setup's asking failed.
    """
    addresses = sorted((e for e in events if e.kind is EventKind.ADDRESS), key=lambda e: e.at_s)
    asked = [at_s for stamp in stamps if clocks and (at_s := clocks.at_boot_s(stamp)) is not None]
    if not asked or not addresses:
        return None
    first = addresses[0]
    links = [e.at_s for e in events if e.kind is EventKind.LINK_UP and e.adapter == first.adapter]
    facts: dict[str, FactValue] = {
        "adapter": first.adapter,
        "asked_at_s": round(min(asked), 1),
        "asked_last_at_s": round(max(asked), 1),
        "address_at_s": first.at_s,
    }
    if links:
        facts["link_at_s"] = min(links)
        facts["wait_s"] = first.at_s - min(links)
    # A stamp is cut to whole seconds, so it may be up to one second early.
    too_early = max(asked) + 1.0 < first.at_s
    if too_early:
        return Observation(PROBE, first.adapter, Outcome.WARNING, Reason.LATE_ADDRESS, facts=facts)
    return Observation(PROBE, first.adapter, Outcome.OK, Reason.ANSWERED, facts=facts)
