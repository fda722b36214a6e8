"""Which tables stand in the database? Each declared once, for questions in SQLAlchemy Core.

The migrations make them; a test compares both. Units stand in the names: _at and _at_s Unix seconds, _s seconds.
"""

from __future__ import annotations

from sqlalchemy import MetaData, Table

from pe_collector.store.columns import (
    key_real,
    key_text,
    key_whole,
    maybe_real,
    maybe_text,
    maybe_whole,
    octets,
    real,
    text,
    whole,
)

TABLES = MetaData()

report = Table(
    "report",
    TABLES,
    *key_text("report_id"),
    *text("code", "machine_id", "boot_key"),
    *real("received_at", "last_frame_at"),
    *text("peer", "token_id"),
    *whole("carried", "protocol"),
    *text("agent_version", "trigger", "boot_id", "image_build", "image_name", "os_version"),
    *real("booted_at"),
    *maybe_whole("agent_wall_ms"),
    *maybe_real("agent_uptime_s"),
    *maybe_whole("utc_offset_min"),
    *maybe_real("clock_skew_s"),
    *text("attributes"),
    *maybe_text("address", "prefix", "server", "image"),
    *text("outcome", "verdict", "title", "owner", "advice"),
    *maybe_real("confidence"),
    *maybe_whole("summary_sequence"),
    *whole("stored_through", "stored_octets", "complete"),
    *maybe_text("address_key", "site", "model", "nic", "nic_driver", "switch", "switch_port"),
    *maybe_real("link_to_address_s"),
    *text("phase", "phases"),
    *whole("speaks"),
)
frame = Table(
    "frame",
    TABLES,
    *key_text("report_id"),
    *key_whole("sequence"),
    *text("body"),
    *octets("octets"),
)
observation = Table(
    "observation",
    TABLES,
    *key_text("report_id"),
    *key_whole("sequence"),
    *text("probe", "target", "outcome", "reason"),
    *maybe_real("started_at_s", "elapsed_s"),
    *text("facts"),
)
event = Table(
    "event",
    TABLES,
    *key_text("report_id"),
    *key_whole("sequence"),
    *maybe_real("at_s"),
    *text("adapter", "kind", "detail"),
    *whole("recovered"),
)
finding = Table(
    "finding",
    TABLES,
    *key_text("report_id"),
    *key_whole("sequence"),
    *text("finding", "title", "owner", "advice"),
    *maybe_real("confidence"),
    *text("evidence"),
)
log_chunk = Table(
    "log_chunk",
    TABLES,
    *key_text("report_id"),
    *key_whole("sequence"),
    *text("path"),
    *whole("offset_bytes"),
    *text("codec"),
    *whole("expanded_bytes", "file_bytes"),
    *octets("sha256", "data"),
    *maybe_text("blob"),
)
log_blob = Table("log_blob", TABLES, *key_text("address"), *octets("octets"))
machine = Table(
    "machine",
    TABLES,
    *key_text("machine_id"),
    *text("smbios_uuid", "serial", "manufacturer", "model"),
    *real("first_seen", "last_seen"),
)
machine_mark = Table(
    "machine_mark",
    TABLES,
    *key_text("kind", "value", "machine_id"),
)
clash = Table(
    "clash",
    TABLES,
    *key_text("kind", "value", "machine_id"),
    *real("first_seen"),
)
token = Table(
    "token",
    TABLES,
    *key_text("token_id"),
    *text("secret_hash", "name"),
    *real("created", "expires"),
    *maybe_real("revoked", "last_used"),
    *maybe_text("last_peer"),
    *text("role"),
)
server_event = Table(
    "server_event",
    TABLES,
    *key_text("source"),
    *key_real("at_s"),
    *key_text("mac", "ip", "event", "text"),
    *text("level", "component", "file"),
    *whole("line"),
)
redaction = Table(
    "redaction",
    TABLES,
    *key_text("report_id", "place", "rule"),
    *whole("removed"),
)
site_prefix = Table(
    "site_prefix",
    TABLES,
    *key_text("prefix"),
    *text("site", "vlan", "owner"),
    *whole("length"),
    *text("first_key", "last_key"),
)
log_line = Table(
    "log_line",
    TABLES,
    *key_text("report_id", "path"),
    *key_whole("line"),
    *text("level", "text"),
    *whole("search_key"),
)
log_waiting = Table(
    "log_waiting",
    TABLES,
    *key_text("report_id"),
    *real("since"),
)
refusal = Table(
    "refusal",
    TABLES,
    *key_whole("hour_at"),
    *key_text("reason"),
    *whole("times"),
)
pattern = Table(
    "pattern",
    TABLES,
    *key_text("pattern_id"),
    *text("kind", "state", "title"),
    *real("opened_at", "changed_at"),
    *whole("announced_machines"),
    *text("document"),
)
pattern_event = Table(
    "pattern_event", TABLES, *key_text("pattern_id"), *key_real("at_s"), *key_text("state"), *text("sentence")
)
pattern_mark = Table(
    "pattern_mark",
    TABLES,
    *key_text("pattern_id", "mark"),
    *real("at_s"),
    *maybe_real("until_s"),
    *text("value", "note", "who"),
)
pattern_look = Table("pattern_look", TABLES, *key_text("look"), *real("at_s"), *text("seen"), *whole("boots", "served"))
change = Table(
    "change", TABLES, *key_real("at_s"), *key_text("text", "subnet", "server"), *text("who"), *real("noted_at")
)
audit = Table(
    "audit", TABLES, *real("at"), *text("actor", "role", "how", "peer", "action", "target", "detail", "outcome")
)
quarantine = Table("quarantine", TABLES, *key_text("token_id"), *key_real("at"), *real("since"), *maybe_real("lifted"))
hidden_report = Table("hidden_report", TABLES, *key_text("report_id"), *text("token_id"))
forward = Table("forward", TABLES, *key_text("report_id"), *whole("through"), *text("state", "reason"), *real("at"))
forward_waiting = Table("forward_waiting", TABLES, *key_text("report_id"), *real("received_at"), *whole("octets"))
forward_on = Table("forward_on", TABLES, *key_text("outbox"), *whole("filled"))
forward_loss = Table("forward_loss", TABLES, *key_text("what"), *whole("times", "octets"), *real("last_at"))
forwarded = Table("forwarded", TABLES, *key_text("report_id"), *text("token_id", "peer"), *real("arrived_at"))
rate_hour = Table("rate_hour", TABLES, *key_whole("hour_at"), *whole("times", "folded", "apart"))
rate_site_hour = Table(
    "rate_site_hour", TABLES, *key_whole("hour_at"), *key_text("site"), *whole("boots", "failed", "slow")
)
rate_subnet_day = Table(
    "rate_subnet_day",
    TABLES,
    *key_whole("day_at"),
    *key_text("prefix", "site"),
    *key_whole("part"),
    *whole("boots", "failed", "slow"),
)
rate_port_day = Table(
    "rate_port_day",
    TABLES,
    *key_whole("day_at"),
    *key_text("prefix", "site", "probe"),
    *key_whole("port", "part"),
    *whole("asked", "failed"),
)
rate_prefix_hour = Table(
    "rate_prefix_hour",
    TABLES,
    *key_whole("level", "hour_at"),
    *key_text("head"),
    *whole("boots", "failed"),
)
rate_delivery_hour = Table(
    "rate_delivery_hour",
    TABLES,
    *key_whole("hour_at"),
    *whole("received", "incomplete", "carried", "octets"),
    *maybe_real("mean_s", "most_s", "skew_s", "most_skew_s"),
)
alert_channel = Table("alert_channel", TABLES, *key_text("channel"), *real("since"))
alert = Table(
    "alert",
    TABLES,
    *key_text("pattern_id"),
    *key_real("at_s"),
    *key_text("state", "channel"),
    *whole("attempts"),
    *real("next_at"),
    *maybe_real("settled_at"),
    *text("outcome", "error"),
)
