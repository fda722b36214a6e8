"""What did a server log while a machine booted? The event as an attribute of the boot."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pe_collector.boots import Boot
from pe_collector.connection import Connection, Row

ATTRIBUTE = "server_event"
NONE = "none"
WITHIN_S = 60.0
_MOST_TEXT = 90
_MOST_EVENTS = 50_000
# What differs from line to line though the event is the same.
_VARYING = re.compile(r"\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}\}?|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|\d+(?:\.\d+){3}")


@dataclass(frozen=True, slots=True)
class _Logged:
    """Errors of all servers in order of time, and the stretch of time that their logs cover."""

    times: tuple[float, ...]
    rows: tuple[Row, ...]
    first_s: float
    last_s: float


def with_server_events(connection: Connection, boots: Sequence[Boot]) -> list[Boot]:
    """The boots, each with the error that a server logged about it or about nobody within 60 s of its report.

    Where the logs cover the time and hold none the value is `none`; elsewhere it is not known.
    """
    logged = _read(connection, boots)
    if logged is None:
        return list(boots)
    return [_with(boot, logged) for boot in boots]


def _read(connection: Connection, boots: Sequence[Boot]) -> _Logged | None:
    if not boots:
        return None
    span = (boots[0].at_s - WITHIN_S, boots[-1].at_s + WITHIN_S)
    covered = connection.execute("SELECT min(at_s) AS first, max(at_s) AS last FROM server_event").fetchone()
    rows = connection.execute(
        "SELECT at_s, ip, component, text FROM server_event WHERE level='Error' AND at_s BETWEEN ? AND ? "
        "ORDER BY at_s, source, line LIMIT ?",
        (*span, _MOST_EVENTS),
    ).fetchall()
    if not rows:
        return None
    return _Logged(tuple(row["at_s"] for row in rows), tuple(rows), covered["first"], covered["last"])


def _with(boot: Boot, logged: _Logged) -> Boot:
    if not logged.first_s - WITHIN_S <= boot.at_s <= logged.last_s + WITHIN_S:
        return boot
    low = bisect_left(logged.times, boot.at_s - WITHIN_S)
    high = bisect_right(logged.times, boot.at_s + WITHIN_S)
    near = [row for row in logged.rows[low:high] if row["ip"] in ("", boot.address)]
    first = min(near, key=lambda row: (not row["ip"], abs(row["at_s"] - boot.at_s)), default=None)
    return replace(boot, attributes={**boot.attributes, ATTRIBUTE: _name(first) if first is not None else NONE})


def _name(row: Row) -> str:
    text = " ".join(_VARYING.sub("*", row["text"]).split())[:_MOST_TEXT]
    return f"{row['component']} {text}".strip() if row["component"] not in text else text
