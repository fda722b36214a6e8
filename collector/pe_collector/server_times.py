"""When did a server write this line? Times as servers write them -> Unix seconds.

Most of them carry no zone, syslog no year, and the WDS trace no date: the caller says the server's offset from UTC, and
the moment the file was last changed stands in for the rest.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_DAY_S = 86400
# 7 digits of a second are one too many for datetime.
_FRACTION = re.compile(r"\.(\d{6})\d+")
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)")
# In this order: 3/2/2026 is March with a 12-hour clock and February with one of 24, which is how their users write.
_FORMS = (
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%m/%d/%y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
)
# A line that seems to lie this far after the file's last change is from the year before.
_AHEAD = timedelta(days=2)


@dataclass(slots=True)
class ServerClock:
    """Turns the times of one file's lines into Unix seconds; lines come in order.

    `changed_s` is when the file was last changed, Unix seconds; `midnights` how many of them the file passes.
    """

    utc_offset_min: int
    changed_s: float
    midnights: int = 0
    _last_s: int = -1

    def at_s(self, written: str) -> float | None:
        """The moment a line names; None when it names none."""
        if _CLOCK.fullmatch(written):
            return self._without_date(written)
        text = _FRACTION.sub(r".\1", written).strip()
        try:
            moment = self._parse(text)
        except (ValueError, OverflowError):
            return None
        return moment.timestamp() if moment else None

    @property
    def _zone(self) -> timezone:
        return timezone(timedelta(minutes=self.utc_offset_min))

    def _parse(self, text: str) -> datetime | None:
        if "T" in text[:11]:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=self._zone)
        if text[:3].isalpha():
            return self._without_year(text)
        for form in _FORMS:
            try:
                return datetime.strptime(text, form).replace(tzinfo=self._zone)
            except ValueError:
                continue
        return None

    def _without_year(self, text: str) -> datetime:
        changed = datetime.fromtimestamp(self.changed_s, UTC).astimezone(self._zone)
        moment = _dated(text, changed.year).replace(tzinfo=self._zone)
        return moment if moment <= changed + _AHEAD else _dated(text, changed.year - 1).replace(tzinfo=self._zone)

    def _without_date(self, text: str) -> float:
        second = second_of_day(text)
        if 0 <= second < self._last_s - _DAY_S // 2:
            self.midnights -= 1
        self._last_s = second
        changed = datetime.fromtimestamp(self.changed_s, UTC).astimezone(self._zone)
        midnight = changed.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.timestamp() - self.midnights * _DAY_S + second


def second_of_day(text: str) -> int:
    """Seconds since midnight of HH:MM:SS."""
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def count_midnights(times: Iterable[str]) -> int:
    """How often a time without date falls back by half a day or more from one line to the next."""
    seconds = (second_of_day(text) for text in times if _CLOCK.fullmatch(text))
    return sum(later < earlier - _DAY_S // 2 for earlier, later in itertools.pairwise(seconds))


def _dated(text: str, year: int) -> datetime:
    # The year goes in before parsing: 29 February is no day of the year that strptime would assume.
    return datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S")  # noqa: DTZ007 - the caller knows the zone
