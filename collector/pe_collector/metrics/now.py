"""How do things stand at the moment of asking? Gauges from the store, the disk and the running parts."""

from __future__ import annotations

import json
import shutil
import statistics
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pe_collector import __version__
from pe_collector.connection import Connection
from pe_collector.engine.live import State
from pe_collector.leaf.outbox import Backlog, backlog
from pe_collector.leaf.shedding import losses
from pe_collector.metrics.names import METRICS, PREFIX, SEVERITIES
from pe_collector.refusal import Reason
from pe_collector.store.database import size_octets
from pe_collector.upkeep.backup import last_backup_s

_SAID = {metric.name: metric.said for metric in METRICS}
_SKEW_S = 3600.0
_MOST_SKEWS = 1000


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the running collector is asked; each is safe from any thread. `forwards`: it passes reports on."""

    folder: Path
    refusals: Callable[[], Mapping[Reason, int]]
    sessions: Callable[[], int]
    queue: Callable[[], int]
    now_s: Callable[[], float]
    forwards: bool = False


class Now(Collector):
    """Gauges for one scrape, over a connection that cannot write."""

    def __init__(self, parts: Parts, connection: Connection) -> None:
        self._parts = parts
        self._connection = connection

    def collect(self) -> Iterator[Metric]:
        """Each family once."""
        parts, connection = self._parts, self._connection
        yield _gauge("build_info", [((__version__,), 1)], ("version",))
        rejected = CounterMetricFamily(PREFIX + "rejected", _SAID["rejected_total"], labels=("reason",))
        for reason, times in parts.refusals().items():
            rejected.add_metric((str(reason),), times)
        yield rejected
        yield _gauge("patterns", _patterns(connection).items(), ("state", "severity"))
        yield from _forwarding(connection, parts)
        numbers = {
            "sessions_active": parts.sessions(),
            "write_queue_length": parts.queue(),
            "db_size_bytes": size_octets(parts.folder),
            "storage_free_bytes": shutil.disk_usage(parts.folder).free,
            "clock_skew_seconds": _skew_s(connection, parts.now_s()),
            "last_backup_timestamp_seconds": last_backup_s(connection) or 0.0,
        }
        for name, number in numbers.items():
            if number is not None:
                yield _gauge(name, [((), number)], ())


def _gauge(name: str, values: Iterable[tuple[tuple[str, ...], float]], labels: tuple[str, ...]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, _SAID[name], labels=labels)
    for words, number in values:
        family.add_metric(words, number)
    return family


def _forwarding(connection: Connection, parts: Parts) -> Iterator[Metric]:
    waiting = backlog(connection) if parts.forwards else Backlog(0, None)
    waited_s = max(0.0, parts.now_s() - waiting.oldest_at) if waiting.oldest_at is not None else 0.0
    yield _gauge("forward_waiting_reports", [((), waiting.reports)], ())
    yield _gauge("forward_oldest_waiting_seconds", [((), waited_s)], ())
    yield _gauge("forward_lost", [((what,), shed.times) for what, shed in losses(connection).items()], ("what",))


def _patterns(connection: Connection) -> dict[tuple[str, str], int]:
    """Every state and severity, so that none vanishes when it is empty."""
    counts: Counts[tuple[str, str]] = Counts()
    for row in connection.execute("SELECT state, document FROM pattern"):
        counts[row["state"], severity(len(json.loads(row["document"])["machines"]))] += 1
    return {(state, word): counts[state, word] for state in map(str, State) for word in SEVERITIES}


def severity(machines: int) -> str:
    """The word for a pattern of so many machines."""
    return next(word for word, least in SEVERITIES.items() if machines >= least)


def _skew_s(connection: Connection, now_s: float) -> float | None:
    rows = connection.execute(
        "SELECT clock_skew_s FROM report WHERE received_at>=? AND clock_skew_s IS NOT NULL "
        "ORDER BY received_at DESC LIMIT ?",
        (now_s - _SKEW_S, _MOST_SKEWS),
    )
    skews = [row[0] for row in rows]
    return statistics.median(skews) if skews else None
