"""What happened since the program started? Counts what the writer commits; sites are looked up when asked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from pe_agent.model import Outcome, Reason, Status
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from pe_collector.connection import Connection, Row
from pe_collector.metrics.names import INGEST_BUCKETS_S, METRICS, MOST_SITES, OTHER, PREFIX, PROBES, WAIT_BUCKETS_S
from pe_collector.store import Filed

# So many counts wait for their site; where nobody asks for longer than that, they are counted without one.
_MOST_WAITING = 20_000
_REASONS, _VERDICTS = frozenset(map(str, Reason)), frozenset(map(str, Status))
_ROWS = {metric.name: metric for metric in METRICS}


class Tally:
    """Counters of one collector. `committed` is for the writer's thread, `settle` for any."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
        self.registry = CollectorRegistry()
        self._bytes = self._counter("ingest_bytes_total")
        self._reports = self._counter("reports_total")
        self._failures = self._counter("probe_failures_total")
        self._ingest_s = self._histogram("ingest_seconds", INGEST_BUCKETS_S)
        self._wait_s = self._histogram("dhcp_wait_seconds", WAIT_BUCKETS_S)
        self._failed: deque[tuple[str, str, str]] = deque()
        self._whole: deque[str] = deque()
        self._sites: set[str] = set()
        self._settling = threading.Lock()

    def committed(self, frames: Sequence[Filed], waited_s: Sequence[float]) -> None:
        """These frames are on disk; the orders that brought them waited so many seconds."""
        for seconds in waited_s:
            self._ingest_s.observe(seconds)
        self._bytes.inc(sum(frame.size for frame in frames))
        for frame in frames:
            if frame.summary is not None:
                self._whole.append(frame.report_id)
            elif frame.table == "observation" and frame.row[4] == Outcome.FAILED:
                self._failed.append((frame.report_id, frame.row[2], frame.row[5]))
        while len(self._failed) > _MOST_WAITING:
            self._count_failure(self._failed.popleft(), None)
        while len(self._whole) > _MOST_WAITING:
            # Its verdict and wait stand in the store only.
            self._reports.labels("live", Status.UNKNOWN).inc()
            self._whole.popleft()

    def settle(self, connection: Connection) -> None:
        """Count what waits for what the store says of it."""
        with self._settling:
            while (failed := _next(self._failed)) is not None:
                self._count_failure(failed, _report(connection, failed[0]))
            while (report_id := _next(self._whole)) is not None:
                if (row := _report(connection, report_id)) is not None:
                    self._count_report(row)

    def _count_report(self, row: Row) -> None:
        result = "carried" if row["carried"] else "live"
        self._reports.labels(result, _among(_VERDICTS, row["outcome"])).inc()
        if row["link_to_address_s"] is not None:
            self._wait_s.labels(self._site(row["site"])).observe(row["link_to_address_s"])

    def _count_failure(self, failed: tuple[str, str, str], row: Row | None) -> None:
        _, probe, reason = failed
        site = self._site(row["site"] if row else None)
        self._failures.labels(_among(PROBES, probe), _among(_REASONS, reason), site).inc()

    def _site(self, site: str | None) -> str:
        """The name that operations gave the prefix; empty where none."""
        if not site or site in self._sites:
            return site or ""
        if len(self._sites) >= MOST_SITES:
            return OTHER
        self._sites.add(site)
        return site

    def _counter(self, name: str) -> Counter:
        row = _ROWS[name]
        return Counter(PREFIX + name, row.said, row.labels, registry=self.registry)

    def _histogram(self, name: str, buckets: Sequence[float]) -> Histogram:
        row = _ROWS[name]
        return Histogram(PREFIX + name, row.said, row.labels, buckets=buckets, registry=self.registry)


def _next(waiting: deque[Any]) -> Any:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _among(words: frozenset[str], word: str) -> str:
    return word if word in words else OTHER


def _report(connection: Connection, report_id: str) -> Row | None:
    row: Row | None = connection.execute(
        "SELECT site, outcome, carried, link_to_address_s FROM report WHERE report_id=?", (report_id,)
    ).fetchone()
    return row
