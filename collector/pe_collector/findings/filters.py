"""Which patterns are asked for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pe_collector.boots import Boot
from pe_collector.prefixes import holds_address

# Word -> attributes of a boot that may say it.
_OF_ATTRIBUTE = {
    "site": ("site",),
    "server": ("server",),
    "image": ("image", "image_build", "image_name"),
    "model": ("model",),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the words of every question say; empty or None: not asked. `outcome` may hold several with commas between.

    The period limits the boots that are looked at. The others limit what is shown, not what is compared: a subnet
    stands out only beside the rest of the fleet.
    """

    since_s: float = 0.0
    until_s: float | None = None
    subnet: str = ""
    site: str = ""
    server: str = ""
    image: str = ""
    model: str = ""
    outcome: str = ""

    @property
    def limited(self) -> bool:
        """Whether anything is left out."""
        return bool(self.has_period or self.shown)

    @property
    def has_period(self) -> bool:
        """Whether only a part of the time is looked at."""
        return bool(self.since_s) or self.until_s is not None

    @property
    def shown(self) -> Mapping[str, str]:
        """What limits the patterns that are shown."""
        named = {name: getattr(self, name) for name in ("subnet", *_OF_ATTRIBUTE, "outcome")}
        return {name: value for name, value in named.items() if value}

    def concerns(self, boot: Boot) -> bool:
        """Whether a failed boot is one that is asked about."""
        if self.subnet and not holds_address(self.subnet, boot.address):
            return False
        if self.outcome and boot.outcome not in [word.strip().lower() for word in self.outcome.split(",")]:
            return False
        asked = {name: value for name, value in self.shown.items() if name in _OF_ATTRIBUTE}
        return all(
            any(_same(boot.attributes.get(known, ""), value) for known in _OF_ATTRIBUTE[name])
            for name, value in asked.items()
        )


def parse_filters(words: Mapping[str, Any]) -> Filters:
    """Filters from whatever words are known here; empty ones count as not given."""
    known = {name: words[name] for name in Filters.__slots__ if words.get(name)}
    return Filters(**known)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
