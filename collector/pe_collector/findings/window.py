"""The boots that a look is about, kept in memory between looks: only what changed since the last one is read again.

Everything that stores, changes or hides a report marks the hour in which it was received (`rate_hour`), whichever
collector before the database does it. Of the hours marked since the last look the reports are read, and those that
are not as they were are taken in. So late, amended and hidden reports are found like new ones, and what the window
holds is what reading everything anew would give (tested). Of very many reports the older ones are thinned, so that a
look at years takes no longer than one at days.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pe_collector.boots import COLUMNS, Boot, boot_of, findings_of
from pe_collector.connection import Connection, Row
from pe_collector.engine.table import MISSING, Places
from pe_collector.findings.filters import Filters
from pe_collector.findings.look import Look, look_at
from pe_collector.findings.server_events import ATTRIBUTE, NONE, Logged, read_errors
from pe_collector.findings.shelf import SILENCES, Attribute, Shelf
from pe_collector.findings.silence import silent_boots
from pe_collector.findings.thinning import rooms
from pe_collector.store.rates import HOUR_S, start_of

# All of so many newest reports are looked at: what is read anew for a person may take as long as that takes, and a look
# that is taken every half minute about a second.
MOST_REPORTS, MOST_SERVED = 100_000, 50_000
# A frame that brings a finding changes nothing else of a report.
_COLUMNS = f"{COLUMNS}, last_frame_at, stored_octets"
_HOUR = "received_at>=? AND received_at<?"
_AT_ONCE = 2000
# So many rows are kept as they were read before boots are made of them.
_MOST_ROWS = 20_000
_SILENT = "silent"
# What servers log of one boot lies closer together.
_BOOTS_FOR_S = 4 * 3600.0

# A report as it was read last: its machine, a hash of its row, and the key of its boot.
_Read = tuple[str, int, str]


def look(connection: Connection, filters: Filters, most: int = MOST_REPORTS) -> Look:
    """Look at what is stored, all of it read anew; at so many of the newest reports whole."""
    found = Window(most, filters).look(connection)
    return replace(found, patterns=tuple(p for p in found.patterns if any(map(filters.concerns, p.failed))))


class Window:
    """The newest `most` reports as boots on a shelf, and a sample of half as many older ones. For one thread.

    Of the filters only the period is asked.
    """

    def __init__(self, most: int = MOST_REPORTS, filters: Filters | None = None) -> None:
        self._most = most
        asked = filters or Filters()
        self._since_s = asked.since_s
        # A moment later, for the end of a period belongs to it and that of an hour does not.
        self._until_s = np.inf if asked.until_s is None else float(np.nextafter(asked.until_s, np.inf))
        self.shelf = Shelf()
        self._whole_since_s = 0.0
        self._times: dict[int, int] = {}
        self._sizes: dict[int, int] = {}
        self._hours: dict[int, dict[str, _Read]] = {}
        self._reports_of: dict[str, tuple[str, ...]] = {}
        self._silent: dict[Hashable, Boot] = {}
        self._logged: Logged | None = None
        self._last: Look | None = None

    def look(self, connection: Connection) -> Look:
        """What a look at everything anew would find; nothing is searched where nothing changed."""
        changed = self._take_in(connection)
        if self._last is None or changed:
            self._last = replace(look_at(self.shelf), whole_since_s=self._whole_since_s)
        return self._last

    def _take_in(self, connection: Connection) -> bool:
        boots = {**self._changed_reports(connection), **self._changed_silent(connection)}
        places = self.shelf.change(boots)
        if self.shelf.is_stale:
            self.shelf, self._logged = self.shelf.anew(), None
        return self._mark_errors(connection, places) or bool(boots)

    def _changed_reports(self, connection: Connection) -> Mapping[Hashable, Boot | None]:
        """By their keys the boots that came or changed, None for those of which no report is left."""
        changed = self._changed_hours(connection)
        room_of = rooms(self._sizes, self._most)
        self._whole_since_s = max((hour + HOUR_S for hour, n in self._sizes.items() if room_of[hour] < n), default=0.0)
        made: dict[Hashable, Boot | None] = {}
        touched: set[str] = set()
        rows: dict[str, Row] = {}
        for hour in sorted(self._hours.keys() | room_of.keys()):
            touched |= self._bring(connection, hour, room_of.get(hour, 0), rows, is_changed=hour in changed)
            if len(rows) >= _MOST_ROWS:
                made |= self._boots(connection, sorted(touched), rows)
                touched.clear()
                rows.clear()
        return made | self._boots(connection, sorted(touched), rows)

    def _changed_hours(self, connection: Connection) -> set[int]:
        """Hours that were marked since the last look; how many reports lie in each is counted anew."""
        asked = "SELECT hour_at, times FROM rate_hour WHERE hour_at>=? AND hour_at<?"
        period = (start_of(self._since_s), min(self._until_s, float(2**62)))
        times: dict[int, int] = {row[0]: row[1] for row in connection.execute(asked, period)}
        changed = {hour for hour, number in times.items() if number != self._times.get(hour)}
        self._times = times
        counted = f"SELECT count(*) FROM report WHERE {_HOUR}"  # noqa: S608 - our own names
        sizes = {hour: connection.execute(counted, self._period(hour)).fetchone()[0] for hour in changed}
        self._sizes = {hour: n for hour, n in (self._sizes | sizes).items() if n and hour in times}
        return changed

    def _period(self, hour: int) -> tuple[float, float]:
        """When that part of an hour begins and ends that is looked at."""
        return max(self._since_s, hour), min(self._until_s, hour + HOUR_S)

    def _bring(
        self, connection: Connection, hour: int, room: int, rows: dict[str, Row], *, is_changed: bool
    ) -> set[str]:
        """Keep as many reports of an hour as there is room for: the boots of which something came, changed or went."""
        kept = self._hours.get(hour, {})
        if room and (is_changed or len(kept) < room):
            return self._read_hour(connection, hour, room, rows)
        if len(kept) > room:
            ordered = sorted(kept, key=lambda name: (kept[name][0], name))
            return self._without(hour, ordered[room:])
        return set()

    def _read_hour(self, connection: Connection, hour: int, room: int, rows: dict[str, Row]) -> set[str]:
        """The boots of reports that are not as they were; puts the new rows into `rows`."""
        before = self._hours.setdefault(hour, {})
        there: dict[str, _Read] = {}
        touched: set[str] = set()
        for row in self._kept_of(connection, hour, room):
            name = row["report_id"]
            read = there[name] = (row["machine_id"], hash(tuple(row)), row["boot_key"])
            if before.get(name) != read:
                rows[name] = row
                touched.add(read[2])
                self._reports_of[read[2]] = tuple({*self._reports_of.get(read[2], ()), name})
        touched |= self._without(hour, [name for name in before if name not in there])
        if there:
            self._hours[hour] = there
        return touched

    def _kept_of(self, connection: Connection, hour: int, room: int) -> Iterable[Row]:
        """The rows that are kept of an hour. Which, the index by time tells: no other rows are read."""
        period = self._period(hour)
        if room >= self._sizes[hour]:
            asked = f"SELECT {_COLUMNS} FROM report WHERE {_HOUR}"  # noqa: S608 - our own names
            return connection.execute(asked, period)
        asked = f"SELECT report_id FROM report WHERE {_HOUR} ORDER BY machine_id, report_id LIMIT ?"  # noqa: S608 - ours
        names = [row[0] for row in connection.execute(asked, (*period, room))]
        return _rows_of(connection, names, _COLUMNS).values()

    def _without(self, hour: int, names: Iterable[str]) -> set[str]:
        """The boots of these reports, which are gone from this hour."""
        reports = self._hours[hour]
        touched = set()
        for name in list(names):
            boot_key = reports.pop(name)[2]
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
        until_s = None if self._until_s == np.inf else self._until_s
        # Beside a sample of the reports all the silence of that time would be too much.
        begin_s = max(self._since_s, self._whole_since_s)
        boots = silent_boots(connection, max(self._since_s, begin_s - _BOOTS_FOR_S), until_s)
        silent: dict[Hashable, Boot] = {(_SILENT, boot.report_id): boot for boot in boots if boot.at_s >= begin_s}
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


def _rows_of(connection: Connection, names: Sequence[str], columns: str = COLUMNS) -> dict[str, Row]:
    """The reports as they are now."""
    if not names:
        return {}
    asked = f"SELECT {columns} FROM json_each(?) CROSS JOIN report ON report_id=value"  # noqa: S608 - our own names
    return {row["report_id"]: row for row in connection.execute(asked, (json.dumps(list(names)),))}
