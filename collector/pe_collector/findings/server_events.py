"""What did a server log while a machine booted? The event as an attribute of the boot."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pe_collector.boots import Boot
from pe_collector.connection import Connection
from pe_collector.engine.table import Flags, Reals

ATTRIBUTE = "server_event"
NONE = "none"
WITHIN_S = 60.0
_MOST_TEXT = 90
_MOST_EVENTS = 50_000
# What differs from line to line though the event is the same.
_VARYING = re.compile(r"\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}\}?|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|\d+(?:\.\d+){3}")


class Error(NamedTuple):
    """A line of a server's log; `ip` is empty where it is about nobody."""

    at_s: float
    ip: str
    component: str
    text: str


@dataclass(frozen=True, slots=True)
class Logged:
    """Errors of all servers in order of time, and the stretch of time that their logs cover."""

    times: tuple[float, ...]
    rows: tuple[Error, ...]
    first_s: float
    last_s: float

    def covers(self, at_s: Reals) -> Flags:
        """Whether the logs cover these times."""
        flags: Flags = (at_s >= self.first_s - WITHIN_S) & (at_s <= self.last_s + WITHIN_S)
        return flags

    def has_near(self, at_s: Reals) -> Flags:
        """Whether there is an error, whomever it is about, within 60 s of these times."""
        low = np.searchsorted(self.times, at_s - WITHIN_S)
        flags: Flags = np.searchsorted(self.times, at_s + WITHIN_S, side="right") > low
        return flags

    def about(self, boot: Boot) -> str:
        """The error about this boot or about nobody, the nearest in time; NONE without one."""
        low = bisect_left(self.times, boot.at_s - WITHIN_S)
        high = bisect_right(self.times, boot.at_s + WITHIN_S)
        near = [row for row in self.rows[low:high] if row.ip in ("", boot.address)]
        first = min(near, key=lambda row: (not row.ip, abs(row.at_s - boot.at_s)), default=None)
        return _name(first) if first is not None else NONE


def read_errors(connection: Connection, first_s: float, last_s: float) -> Logged | None:
    """What bears on boots between these times, of very many errors the newest; None where no server logged one."""
    covered = connection.execute("SELECT min(at_s) AS first, max(at_s) AS last FROM server_event").fetchone()
    rows = connection.execute(
        "SELECT at_s, ip, component, text FROM server_event WHERE level='Error' AND at_s BETWEEN ? AND ? "
        "ORDER BY at_s DESC, source DESC, line DESC LIMIT ?",
        (first_s - WITHIN_S, last_s + WITHIN_S, _MOST_EVENTS),
    ).fetchall()
    if not rows:
        return None
    errors = tuple(Error(*row) for row in reversed(rows))
    # Of the time before the oldest of very many nobody knows.
    first_s = covered["first"] if len(rows) < _MOST_EVENTS else errors[0].at_s + 2 * WITHIN_S
    return Logged(tuple(error.at_s for error in errors), errors, first_s, covered["last"])


def _name(error: Error) -> str:
    text = " ".join(_VARYING.sub("*", error.text).split())[:_MOST_TEXT]
    return f"{error.component} {text}".strip() if error.component not in text else text
