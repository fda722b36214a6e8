"""Which metrics are there? One row each: `/metrics` is made from these rows, and so is the table in docs/metrics.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PREFIX = "pecollector_"
OTHER = "other"
# Names of the agent's probes; a test compares. What a sender calls anything else is counted as `other`.
PROBES = frozenset(
    {
        "adapters",
        "address",
        "architecture",
        "boot-record",
        "dhcp",
        "dhcpv6",
        "dns",
        "endpoint-mapper",
        "netbios",
        "path-mtu",
        "path-trace",
        "pxe",
        "smb",
        "sntp",
        "switch-port",
        "target",
        "tftp",
        "wds-rpc",
        "wpeinit",
    }
)
MOST_SITES = 200
INGEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAIT_BUCKETS_S = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 25.0, 30.0, 45.0, 60.0, 90.0, 120.0)
# A pattern's severity, by the machines that failed: the first word whose bound they reach.
SEVERITIES: Mapping[str, int] = {"critical": 50, "major": 5, "minor": 0}


@dataclass(frozen=True, slots=True)
class Metric:
    """One row; `kind` is counter, gauge or histogram, `name` without the prefix and as it is scraped."""

    name: str
    kind: str
    labels: tuple[str, ...]
    said: str


METRICS: Sequence[Metric] = (
    Metric("build_info", "gauge", ("version",), "Always 1; the label is the version that runs."),
    Metric("reports_total", "counter", ("result", "verdict"), "Reports stored whole: live or carried, by verdict."),
    Metric("ingest_seconds", "histogram", (), "Seconds a batch of frames waits until it is on disk."),
    Metric("ingest_bytes_total", "counter", (), "Octets of frames stored."),
    Metric("rejected_total", "counter", ("reason",), "Reports and streams refused, by reason."),
    Metric("sessions_active", "gauge", (), "Reports being sent now."),
    Metric("write_queue_length", "gauge", (), "Orders that wait for the one who writes."),
    Metric("db_size_bytes", "gauge", (), "Octets of the database and its write-ahead log."),
    Metric("storage_free_bytes", "gauge", (), "Octets free on the disk of the data folder."),
    Metric("patterns", "gauge", ("state", "severity"), "Patterns, by state and by how many machines failed."),
    Metric("probe_failures_total", "counter", ("probe", "reason", "site"), "Probes that failed."),
    Metric("dhcp_wait_seconds", "histogram", ("site",), "Seconds from link to a usable address, one value a report."),
    Metric("clock_skew_seconds", "gauge", (), "Median of the machines' clocks against this one in the last hour."),
    Metric("forward_waiting_reports", "gauge", (), "Reports that the hub lacks something of."),
    Metric("forward_oldest_waiting_seconds", "gauge", (), "How long the oldest of them has waited; 0: none waits."),
    Metric("forward_lost", "gauge", ("what",), "Logs, answers and reports let go while the hub was away, in all."),
    Metric("last_backup_timestamp_seconds", "gauge", (), "When `pe-collector backup` last succeeded; 0: never."),
)
