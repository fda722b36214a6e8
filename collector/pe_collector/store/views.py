"""Which views stand in the database? The documented interface (docs/sql.md), and what questions read.

A report in quarantine is in none of them. Units stand in the names, as in the tables.
"""

from __future__ import annotations

from sqlalchemy import MetaData, Table

from pe_collector.store.columns import maybe_real, maybe_text, real, text, whole

VIEWS = MetaData()

reports = Table(
    "reports",
    VIEWS,
    *text("report_id", "code", "machine_id"),
    *real("received_at"),
    *maybe_text("address", "prefix", "server", "image"),
    *text("outcome", "verdict", "title", "owner", "advice"),
    *maybe_real("confidence"),
    *text("image_build", "image_name"),
    *real("booted_at"),
    *text("boot_key"),
    *whole("complete", "stored_through", "carried"),
    *text("trigger", "agent_version"),
    *maybe_real("clock_skew_s"),
    *text("attributes"),
    *maybe_text("site", "model", "nic", "nic_driver", "switch", "switch_port"),
    *maybe_real("link_to_address_s"),
    *text("phase", "phases"),
    *whole("speaks"),
    *maybe_text("address_key"),
    *real("last_frame_at"),
    *whole("stored_octets"),
    *text("token_id"),
)
boots = Table(
    "boots",
    VIEWS,
    *text("boot_key", "machine_id"),
    *real("booted_at", "received_at"),
    *text("report_id"),
    *maybe_text("address", "prefix", "server", "image"),
    *text("outcome", "verdict"),
    *whole("reports"),
    *text("title", "code"),
    *maybe_text("site", "model", "nic", "nic_driver", "switch", "switch_port"),
    *maybe_real("link_to_address_s"),
    *text("phase", "phases"),
    *whole("complete"),
    *maybe_text("address_key"),
    *real("last_frame_at"),
    *text("image_build", "image_name", "owner", "advice"),
    *whole("carried"),
)
machines = Table(
    "machines",
    VIEWS,
    *text("machine_id", "smbios_uuid", "serial", "manufacturer", "model"),
    *real("first_seen", "last_seen"),
)
observations = Table(
    "observations",
    VIEWS,
    *text("report_id"),
    *whole("sequence"),
    *text("probe", "target", "outcome", "reason"),
    *maybe_real("started_at_s", "elapsed_s"),
    *text("facts", "machine_id"),
    *real("received_at"),
    *maybe_text("prefix", "site", "server"),
)
findings = Table(
    "findings",
    VIEWS,
    *text("report_id"),
    *whole("sequence"),
    *text("finding", "title", "owner", "advice"),
    *maybe_real("confidence"),
    *text("evidence", "machine_id"),
    *real("received_at"),
    *maybe_text("prefix", "site", "server"),
)
timeline = Table(
    "timeline",
    VIEWS,
    *text("report_id"),
    *whole("sequence"),
    *maybe_real("at_s"),
    *text("adapter", "kind", "detail"),
    *whole("recovered"),
    *text("machine_id"),
    *real("booted_at", "received_at"),
)
log_lines = Table(
    "log_lines",
    VIEWS,
    *text("report_id", "path"),
    *whole("line"),
    *text("level", "text", "machine_id"),
    *real("received_at"),
    *maybe_text("prefix", "site", "server"),
)
server_events = Table(
    "server_events",
    VIEWS,
    *text("source"),
    *real("at_s"),
    *text("mac", "ip", "event", "text", "level", "component", "file"),
    *whole("line"),
)
sites = Table(
    "sites",
    VIEWS,
    *text("prefix", "site", "vlan", "owner"),
)
subnets_hourly = Table(
    "subnets_hourly",
    VIEWS,
    *whole("hour_at"),
    *maybe_text("prefix", "site"),
    *whole("boots", "failed", "slow"),
)
