"""When did what happen? Events of a boot as bars of ASCII, one line a stretch of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pe_agent.model import Event, EventKind
from pe_agent.words import clean

_WIDTH = 40
# What each event begins, and how its stretch is drawn.
_DRAWN = {
    EventKind.PRESENT: ".",
    EventKind.LINK_UP: "-",
    EventKind.FIRST_FRAME: "-",
    EventKind.APIPA: "!",
    EventKind.OFFER: "-",
    EventKind.LEASE: "#",
    EventKind.ADDRESS: "#",
    EventKind.GATEWAY: "#",
    EventKind.DUPLICATE: "!",
}


def timeline_bars(events: Sequence[Event]) -> Iterator[str]:
    """A bar for each adapter from boot to the last event, and what the signs mean; nothing without a length."""
    end_s = max((event.at_s for event in events), default=0.0)
    if end_s <= 0:
        return
    adapters = list(dict.fromkeys(event.adapter for event in events))
    width = max(map(len, adapters))
    for adapter in adapters:
        mine = [event for event in events if event.adapter == adapter]
        yield clean(f"{adapter:<{width}} |{_bar(mine, end_s)}| {end_s:.1f} s")
    yield f"{'':<{width}}  (- link, ! no usable address, # address)"


def _bar(events: Sequence[Event], end_s: float) -> str:
    signs = []
    for column in range(_WIDTH):
        until_s = end_s * (column + 1) / _WIDTH
        before = [event for event in events if event.at_s <= until_s]
        signs.append(_DRAWN.get(before[-1].kind, " ") if before else " ")
    return "".join(signs)
