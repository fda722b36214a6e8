"""What is exported? The documented views, and what questions read beside them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from pe_collector.store.tables import clash, machine, machine_mark, refusal
from pe_collector.store.views import (
    boots,
    findings,
    log_lines,
    observations,
    reports,
    server_events,
    sites,
    timeline,
)

_KINDS = {sa.Float: "DOUBLE", sa.Integer: "BIGINT", sa.Text: "VARCHAR"}


@dataclass(frozen=True, slots=True)
class Part:
    """A table of the export.

    Attributes:
        table: where its rows come from.
        key: the columns that order its rows.
        moment: the column (Unix seconds) that says which UTC day a row belongs to; empty: it is one file.
        stays: condition on rows of an earlier export, `known` being what the database has now: those that the
            database has dropped since stay in the export. Empty: none do.
    """

    table: sa.Table
    key: tuple[str, ...]
    moment: str = ""
    stays: str = ""

    @property
    def name(self) -> str:
        """Also of its folder."""
        return self.table.name

    @property
    def columns(self) -> dict[str, str]:
        """Name -> kind, as DuckDB calls it."""
        return {column.name: kind_of(column) for column in self.table.columns}


def kind_of(column: sa.Column[object]) -> str:
    """What DuckDB calls the kind of a column."""
    return next(word for kind, word in _KINDS.items() if isinstance(column.type, kind))


# A report that is pruned stays, one in quarantine goes.
_BY_REPORT = "report_id NOT IN (SELECT report_id FROM known)"
_BY_MACHINE = "machine_id NOT IN (SELECT machine_id FROM known)"
# Rows without an owner are pruned by whole days.
_BY_DAY = "NOT EXISTS (SELECT 1 FROM fresh)"
_RECEIVED = "received_at"
PARTS: tuple[Part, ...] = (
    Part(reports, ("report_id",), _RECEIVED, _BY_REPORT),
    Part(boots, ("report_id",), _RECEIVED, _BY_REPORT),
    Part(observations, ("report_id", "sequence"), _RECEIVED, _BY_REPORT),
    Part(findings, ("report_id", "sequence"), _RECEIVED, _BY_REPORT),
    Part(timeline, ("report_id", "sequence"), _RECEIVED, _BY_REPORT),
    Part(log_lines, ("report_id", "path", "line"), _RECEIVED, _BY_REPORT),
    Part(server_events, ("source", "mac", "ip", "event", "text"), "at_s", _BY_DAY),
    Part(refusal, ("reason",), "hour_at", _BY_DAY),
    Part(machine, ("machine_id",), stays=_BY_MACHINE),
    Part(machine_mark, ("kind", "value", "machine_id"), stays=_BY_MACHINE),
    Part(clash, ("kind", "value", "machine_id")),
    Part(sites, ("prefix",)),
)
# What follows from the others.
DERIVED = {
    "observation": "SELECT report_id, sequence, probe, target, outcome, reason, started_at_s, elapsed_s, facts "
    "FROM observations",
    "machines": "SELECT * FROM machine WHERE machine_id IN (SELECT machine_id FROM reports)",
    "subnets_hourly": "SELECT CAST(floor(received_at/3600) AS BIGINT)*3600 AS hour_at, prefix, site, "
    "count(*) AS boots, sum(CASE WHEN outcome='fault' THEN 1 ELSE 0 END) AS failed, "
    "sum(CASE WHEN link_to_address_s>=25 THEN 1 ELSE 0 END) AS slow FROM boots GROUP BY 1, 2, 3",
}
