"""Which machines are there, what boots did one have, and what happened in a boot?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from pe_agent.errors import UsageError

from pe_collector.questions.contract import Asked, Column, Parameter, Question, Row, Unit
from pe_collector.questions.filters import conditions
from pe_collector.reports import report_document
from pe_collector.store.addresses import address_key
from pe_collector.store.tables import clash, machine_mark
from pe_collector.store.views import boots, machines, reports
from pe_collector.store.where import DUCKDB

_KINDS = ("serial", "mac", "uuid", "name")
# Sorts behind every letter a mark can have.
_LAST = "\uffff"
# So many digits of a report id say which.
_LEAST_OF_ID = 6


def matching(word: str) -> sa.Select[Any]:
    """Ids of machines that a serial, MAC, UUID, computer name, id (or their beginning), an IP or a code stands for."""
    low = word.strip().lower()
    marks = {low, low.replace("-", ":")}
    beginnings = [
        sa.and_(machine_mark.c.kind == kind, machine_mark.c.value.between(mark, mark + _LAST))
        for kind in _KINDS
        for mark in sorted(marks)
    ]
    found = [
        sa.select(machine_mark.c.machine_id).where(sa.or_(*beginnings)),
        sa.select(machines.c.machine_id).where(machines.c.machine_id.between(low, low + _LAST)),
        sa.select(reports.c.machine_id).where(reports.c.code == low.upper()),
        sa.select(reports.c.machine_id).where(reports.c.report_id == low),
    ]
    if key := address_key(low):
        found.append(sa.select(reports.c.machine_id).where(reports.c.address_key == key))
    return sa.select(sa.union(*found).subquery().c.machine_id)


def _machines(asked: Asked) -> sa.Select[Any]:
    other = reports.alias("other")
    counted = sa.select(sa.func.count()).where(other.c.machine_id == machines.c.machine_id).scalar_subquery()
    clashes = sa.select(sa.func.count()).where(clash.c.machine_id == machines.c.machine_id).scalar_subquery()
    own = [machines.c[name] for name in ("machine_id", "manufacturer", "model", "serial", "last_seen", "smbios_uuid")]
    last = ("address", "outcome", "verdict", "code", "prefix", "site", "server", "image", "title")
    chosen = sa.select(
        *own, *(reports.c[name] for name in last), counted.label("reports"), clashes.label("clashes")
    ).join_from(machines, reports, _newest(asked))
    if word := asked.words["search"]:
        chosen = chosen.where(machines.c.machine_id.in_(matching(word)))
    if asked.filters.since_s is not None:
        chosen = chosen.where(machines.c.last_seen >= asked.filters.since_s)
    return chosen.where(*conditions(reports, asked.filters)).order_by(
        machines.c.last_seen.desc(), machines.c.machine_id
    )


def _newest(asked: Asked) -> sa.ColumnElement[bool]:
    """Whether a report is its machine's newest."""
    other = reports.alias("newer")
    if asked.connection.dialect.name == DUCKDB:
        # Machine by machine, as an index answers it, takes minutes where there is none.
        last = sa.func.arg_max(other.c.report_id, sa.func.row(other.c.received_at, other.c.report_id))
        of_all = sa.select(last).group_by(other.c.machine_id)
        return sa.and_(reports.c.machine_id == machines.c.machine_id, reports.c.report_id.in_(of_all))
    of_one = sa.select(other.c.report_id).where(other.c.machine_id == machines.c.machine_id)
    newest = of_one.order_by(other.c.received_at.desc(), other.c.report_id.desc()).limit(1)
    return reports.c.report_id == newest.scalar_subquery()


def _boots(asked: Asked) -> sa.Select[Any]:
    return (
        sa.select(*(boots.c[column.name] for column in MACHINE.columns))
        .where(boots.c.machine_id.in_(matching(asked.words["machine"])), *conditions(boots, asked.filters))
        .order_by(boots.c.received_at.desc(), boots.c.report_id)
    )


def _timeline(asked: Asked) -> list[Row]:
    chosen = _chosen_report(asked)
    if chosen is None:
        return []
    with asked.bare() as connection:
        document = report_document(connection, chosen)
    rows = [*_events(document), *_observations(document), *_server_events(document), *_verdict(document)]
    return sorted(rows, key=lambda row: (row["at_s"] is None, row["at_s"] or 0.0))


def _chosen_report(asked: Asked) -> str | None:
    """The newest report that the name stands for and the filters leave.

    Raises:
        UsageError: the name stands for none.
    """
    low = asked.words["boot"].strip().lower()
    exact = [reports.c.code == low.upper()]
    if len(low) >= _LEAST_OF_ID:
        exact.append(reports.c.report_id.between(low, low + _LAST))
    for named in (sa.or_(*exact), reports.c.machine_id.in_(matching(low))):
        chosen = sa.select(reports.c.report_id).where(named)
        newest = chosen.order_by(reports.c.received_at.desc(), reports.c.report_id.desc()).limit(1)
        if asked.connection.execute(newest).scalar() is not None:
            found: str | None = asked.connection.execute(newest.where(*conditions(reports, asked.filters))).scalar()
            return found
    raise UsageError(f"{low!r} is no report, code or machine here; `pe-collector machines` lists them")


def _events(document: Row) -> Iterator[Row]:
    for event in document["timeline"]:
        yield _moment(document, event["at_s"]) | {
            "source": "recovered" if event["recovered"] else "watched",
            "what": event["kind"],
            "target": event["adapter"],
            "detail": event["detail"],
        }


def _observations(document: Row) -> Iterator[Row]:
    for seen in document["observations"]:
        yield _moment(document, seen["started_at_s"]) | {
            "source": "probe",
            "what": seen["probe"],
            "target": seen["target"],
            "elapsed_s": seen["elapsed_s"],
            "outcome": seen["outcome"],
            "detail": seen["reason"],
        }


def _server_events(document: Row) -> Iterator[Row]:
    for event in document["server_events"]:
        yield {
            "at_s": event["at_s"] - document["booted_at"],
            "at": event["at_s"],
            "source": event["source"],
            "what": event["event"],
            "target": event["ip"] or event["mac"],
            "outcome": event["level"],
            "detail": " ".join(event["text"].split()),
        }


def _verdict(document: Row) -> Iterator[Row]:
    if document["complete"]:
        at_s = document["last_frame_at"] - document["booted_at"] if not document["carried"] else None
        yield _moment(document, at_s) | {
            "source": "verdict",
            "what": document["verdict"] or document["outcome"],
            "outcome": document["outcome"],
            "detail": document["title"],
        }


def _moment(document: Row, at_s: float | None) -> dict[str, Any]:
    return {"at_s": at_s, "at": None if at_s is None else document["booted_at"] + at_s}


MACHINES = Question(
    name="machines",
    title="Machines",
    summary="Machines, the last seen first; `clashes` counts marks that others carry too.",
    columns=(
        Column("machine_id", meaning="the collector's own name for the machine"),
        Column("manufacturer"),
        Column("model"),
        Column("serial"),
        Column("last_seen", Unit.TIME, "when its last report came"),
        Column("address", meaning="its last address"),
        Column("outcome", meaning="of its last report"),
        Column("verdict", meaning="the leading finding of its last report"),
        Column("code", meaning="of its last report, as on the machine's screen"),
        Column("reports", Unit.COUNT, "its reports"),
        Column("clashes", Unit.COUNT, "marks (serial, UUID, MAC) that other machines carry too"),
        Column("smbios_uuid"),
        Column("prefix", meaning="subnet of its last address"),
        Column("site"),
        Column("server"),
        Column("image"),
        Column("title", meaning="the verdict in words"),
    ),
    select=_machines,
    parameters=(
        Parameter(
            "search", "Serial, MAC, UUID, computer name, id (or their beginning), IP address or code.", leading=True
        ),
    ),
)
MACHINE = Question(
    name="machine",
    title="One machine",
    summary="The boots of one machine, the newest first.",
    columns=(
        Column("booted_at", Unit.TIME, "when the machine started"),
        Column("received_at", Unit.TIME, "when its newest report of this boot began to come"),
        Column("outcome"),
        Column("verdict", meaning="the leading finding"),
        Column("title", meaning="the verdict in words"),
        Column("phase", meaning="the first phase that failed"),
        Column("link_to_address_s", Unit.SECONDS, "from link to address"),
        Column("address"),
        Column("prefix"),
        Column("site"),
        Column("server"),
        Column("image"),
        Column("model"),
        Column("nic"),
        Column("nic_driver"),
        Column("switch"),
        Column("switch_port"),
        Column("reports", Unit.COUNT, "reports of this boot"),
        Column("code"),
        Column("report_id"),
        Column("machine_id"),
    ),
    select=_boots,
    parameters=(Parameter("machine", "As in `machines`.", leading=True, needed=True),),
)
TIMELINE = Question(
    name="timeline",
    title="Timeline",
    summary="What happened in one boot: the machine's events, its probes, and what servers logged of it.",
    columns=(
        Column("at_s", Unit.SECONDS, "since the machine started"),
        Column("at", Unit.TIME, "on the collector's clock"),
        Column("source", meaning="watched, recovered, probe, verdict, or the kind of server log"),
        Column("what", meaning="kind of event, probe, number of a server's event, finding"),
        Column("target", meaning="adapter, or who was asked"),
        Column("elapsed_s", Unit.SECONDS, "how long a probe took"),
        Column("outcome"),
        Column("detail"),
    ),
    rows=_timeline,
    parameters=(Parameter("boot", "A report, its code, or a machine: then its newest.", leading=True, needed=True),),
)
