"""The boots that a look is about, kept in memory between looks: only what changed since the last one is read again.

Everything that stores, changes or hides a report marks the hour in which it was received (`rate_hour`), whichever
collector before the database does it. Of the hours marked since the last look the reports are read, and those that
are not as they were are taken in. So late, amended and hidden reports are found like new ones, and what the window
holds is what reading everything anew would give (tested).
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from pe_collector.boots import COLUMNS, MOST_REPORTS, Boot, boot_of, findings_of, oldest
from pe_collector.connection import Connection, Row
from pe_collector.engine.table import MISSING, Places
from pe_collector.findings.look import Look, look_at
from pe_collector.findings.server_events import ATTRIBUTE, NONE, Logged, read_errors
from pe_collector.findings.shelf import SILENCES, Attribute, Shelf
from pe_collector.findings.silence import silent_boots
from pe_collector.store.rates import HOUR_S, start_of

# A frame that brings a finding changes nothing else of a report.
_COLUMNS = f"{COLUMNS}, last_frame_at, stored_octets"
_AT_ONCE = 2000
# So many rows are kept as they were read before boots are made of them.
_MOST_ROWS = 20_000
_SILENT = "silent"

# A report as it was read last: a hash of its row, the key of its boot, and when it was received.
_Read = tuple[int, str, float]


class Window:
    """The newest `most` reports as boots on a shelf. For one thread."""

    def __init__(self, most: int = MOST_REPORTS) -> None:
        self._most = most
        self.shelf = Shelf()
        self._since_s = 0.0
        self._times: dict[int, int] = {}
        self._hours: dict[int, dict[str, _Read]] = {}
        self._reports_of: dict[str, tuple[str, ...]] = {}
        self._silent: dict[Hashable, Boot] = {}
        self._logged: Logged | None = None
        self._last: Look | None = None

    def look(self, connection: Connection) -> Look:
        """What a look at everything anew would find; nothing is searched where nothing changed."""
        changed = self._take_in(connection)
        if self._last is None or changed:
            self._last = look_at(self.shelf)
        return self._last

    def _take_in(self, connection: Connection) -> bool:
        boots = {**self._changed_reports(connection), **self._changed_silent(connection)}
        places = self.shelf.change(boots)
        if self.shelf.is_stale:
            self.shelf, self._logged = self.shelf.anew(), None
        return self._mark_errors(connection, places) or bool(boots)

    def _changed_reports(self, connection: Connection) -> Mapping[Hashable, Boot | None]:
        """By their keys the boots that came or changed, None for those of which no report is left."""
        since_s = oldest(connection, self._most)
        first = start_of(since_s)
        marked = connection.execute("SELECT hour_at, times FROM rate_hour WHERE hour_at>=?", (first,))
        times: dict[int, int] = {row[0]: row[1] for row in marked}
        made: dict[Hashable, Boot | None] = {}
        touched: set[str] = set()
        rows: dict[str, Row] = {}
        for hour in sorted(self._hours.keys() | times.keys()):
            if hour < first:
                touched |= self._without(hour, self._hours[hour])
            elif self._is_changed(hour, times, since_s):
                touched |= self._read_hour(connection, hour, since_s, rows)
            elif hour == first:
                kept = self._hours.get(hour, {})
                touched |= self._without(hour, [name for name, read in kept.items() if read[2] < since_s])
            if len(rows) >= _MOST_ROWS:
                made |= self._boots(connection, sorted(touched), rows)
                touched.clear()
                rows.clear()
        self._times, self._since_s = times, since_s
        return made | self._boots(connection, sorted(touched), rows)

    def _is_changed(self, hour: int, times: Mapping[int, int], since_s: float) -> bool:
        """Whether something was marked there, or more of it counts now that other reports are gone."""
        more = since_s < self._since_s and hour <= start_of(self._since_s)
        return more or times.get(hour) != self._times.get(hour)

    def _read_hour(self, connection: Connection, hour: int, since_s: float, rows: dict[str, Row]) -> set[str]:
        """The boots of reports that are not as they were; puts the new rows into `rows`."""
        asked = f"SELECT {_COLUMNS} FROM report WHERE received_at>=? AND received_at<?"  # noqa: S608 - our own names
        before = self._hours.setdefault(hour, {})
        there: dict[str, _Read] = {}
        touched: set[str] = set()
        for row in connection.execute(asked, (max(since_s, hour), hour + HOUR_S)):
            name = row["report_id"]
            read = there[name] = (hash(tuple(row)), row["boot_key"], row["received_at"])
            if before.get(name) != read:
                rows[name] = row
                touched.add(read[1])
                self._reports_of[read[1]] = tuple({*self._reports_of.get(read[1], ()), name})
        touched |= self._without(hour, [name for name in before if name not in there])
        self._hours[hour] = there
        return touched

    def _without(self, hour: int, names: Iterable[str]) -> set[str]:
        """The boots of these reports, which are gone from this hour."""
        reports = self._hours[hour]
        touched = set()
        for name in list(names):
            boot_key = reports.pop(name)[1]
            touched.add(boot_key)
            left = tuple(each for each in self._reports_of[boot_key] if each != name)
            if left:
                self._reports_of[boot_key] = left
            else:
                del self._reports_of[boot_key]
        if not reports:
            del self._hours[hour]
        return touched

    def _boots(
        self, connection: Connection, boot_keys: Sequence[str], rows: Mapping[str, Row]
    ) -> dict[Hashable, Boot | None]:
        made: dict[Hashable, Boot | None] = {}
        for start in range(0, len(boot_keys), _AT_ONCE):
            part = boot_keys[start : start + _AT_ONCE]
            names = [name for boot_key in part for name in self._reports_of.get(boot_key, ())]
            known = {name: rows[name] for name in names if name in rows}
            known |= _rows_of(connection, [name for name in names if name not in known])
            findings = findings_of(connection, names)
            for boot_key in part:
                own = [known[name] for name in self._reports_of.get(boot_key, ()) if name in known]
                own.sort(key=lambda row: (row["received_at"], row["report_id"]))
                made[boot_key] = boot_of(own, findings) if own else None
        return made

    def _changed_silent(self, connection: Connection) -> dict[Hashable, Boot | None]:
        silent: dict[Hashable, Boot] = {(_SILENT, boot.report_id): boot for boot in silent_boots(connection, 0.0, None)}
        gone: dict[Hashable, Boot | None] = dict.fromkeys(self._silent.keys() - silent.keys())
        changed = {key: boot for key, boot in silent.items() if self._silent.get(key) != boot}
        self._silent = silent
        return {**gone, **changed}

    def _mark_errors(self, connection: Connection, new: Sequence[int]) -> bool:
        """What servers logged around each boot that reported; whether that is not as it was."""
        shelf = self.shelf
        reported = np.flatnonzero(shelf.there[: len(shelf.boots)] & (shelf.codes[SILENCES, : len(shelf.boots)] < 0))
        times = shelf.at_s[reported]
        logged = read_errors(connection, float(times.min()), float(times.max())) if len(reported) else None
        changed = logged != self._logged
        self._logged = logged
        if logged is None:
            shelf.attributes.pop(ATTRIBUTE, None)
        else:
            self._mark(logged, reported if changed else np.intersect1d(reported, new))
        return changed

    def _mark(self, logged: Logged, places: Places) -> None:
        attribute = self.shelf.attributes.setdefault(ATTRIBUTE, Attribute(len(self.shelf.at_s)))
        times = self.shelf.at_s[places]
        covered = logged.covers(times)
        attribute.codes[places] = np.where(covered, attribute.words.code(NONE), MISSING)
        for place in places[covered & logged.has_near(times)].tolist():
            boot = self.shelf.boots[place]
            if boot is not None:
                attribute.codes[place] = attribute.words.code(logged.about(boot))


def _rows_of(connection: Connection, names: Sequence[str]) -> dict[str, Row]:
    """The reports as they are now."""
    if not names:
        return {}
    asked = f"SELECT {COLUMNS} FROM json_each(?) CROSS JOIN report ON report_id=value"  # noqa: S608 - our own names
    return {row["report_id"]: row for row in connection.execute(asked, (json.dumps(list(names)),))}
