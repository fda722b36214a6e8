"""Does delivery work, and which probes fail where?"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pe_collector.engine.statistics import interval
from pe_collector.questions.contract import Asked, Column, Question, Row, Unit
from pe_collector.questions.filters import conditions
from pe_collector.questions.rates import DAY
from pe_collector.store.functions import whole_part
from pe_collector.store.tables import observation, refusal
from pe_collector.store.views import reports

_HOUR_S = 3600


def _delivery(asked: Asked) -> sa.Select[Any]:
    hour = (whole_part(reports.c.received_at / _HOUR_S) * _HOUR_S).label("hour_at")
    one_hour = (
        sa.select(
            hour,
            sa.func.count().label("received"),
            _count(reports.c.complete == 0, "incomplete"),
            _count(reports.c.carried == 1, "carried"),
            sa.func.sum(reports.c.stored_octets).label("octets"),
            sa.func.avg(_where(sa.and_(reports.c.complete == 1, reports.c.carried == 0), _took())).label("mean_s"),
            sa.func.max(_where(sa.and_(reports.c.complete == 1, reports.c.carried == 0), _took())).label("most_s"),
            sa.func.avg(reports.c.clock_skew_s).label("skew_s"),
            sa.func.max(sa.func.abs(reports.c.clock_skew_s)).label("most_skew_s"),
        )
        .where(*conditions(reports, asked.filters))
        .group_by(sa.text("1"))
        .subquery("hourly")
    )
    refused = (
        sa.select(sa.func.coalesce(sa.func.sum(refusal.c.times), 0))
        .where(refusal.c.hour_at == one_hour.c.hour_at)
        .scalar_subquery()
    )
    return sa.select(one_hour, refused.label("refused")).order_by(one_hour.c.hour_at.desc())


def _took() -> sa.ColumnElement[Any]:
    return reports.c.last_frame_at - reports.c.received_at


def _where(condition: sa.ColumnElement[bool], value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.case((condition, value))


def _count(condition: sa.ColumnElement[bool], name: str) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.case((condition, 1), else_=0)).label(name)


def _probes(asked: Asked) -> sa.Select[Any]:
    failed = _count(observation.c.outcome == "failed", "failed")
    place = reports.c.prefix, reports.c.site
    return (
        sa.select(
            observation.c.probe,
            *place,
            sa.func.count().label("asked"),
            failed,
            sa.func.avg(observation.c.elapsed_s).label("mean_s"),
        )
        .join_from(reports, observation, observation.c.report_id == reports.c.report_id)
        .where(observation.c.outcome.in_(("ok", "warning", "failed")), *conditions(reports, asked.filters))
        .group_by(observation.c.probe, *place)
        .order_by(sa.desc("failed"), sa.desc("asked"), observation.c.probe, *(c.nulls_first() for c in place))
    )


def _probe_rate(row: Row) -> Row:
    low, high = interval(row["failed"], row["asked"])
    return {**row, "rate": row["failed"] / row["asked"], "low": low, "high": high}


DELIVERY = Question(
    name="delivery",
    title="Delivery",
    summary="Do reports arrive whole and in time, hour by hour?",
    columns=(
        Column("hour_at", Unit.TIME, "the hour begins"),
        Column("received", Unit.COUNT, "reports that began to come"),
        Column("incomplete", Unit.COUNT, "of these, without a verdict yet"),
        Column("carried", Unit.COUNT, "of these, brought by hand"),
        Column("octets", Unit.OCTETS, "stored of them"),
        Column("mean_s", Unit.SECONDS, "from the first to the last record of whole ones, on average"),
        Column("most_s", Unit.SECONDS, "the longest"),
        Column("skew_s", Unit.SECONDS, "how far the machines' clocks are ahead, on average"),
        Column("most_skew_s", Unit.SECONDS, "the farthest, ahead or behind"),
        Column("refused", Unit.COUNT, "refusals of the whole collector in this hour, whatever was asked for"),
    ),
    select=_delivery,
    since=DAY,
)
PROBES = Question(
    name="probes",
    title="Probes",
    summary="Which probes fail in which subnet?",
    columns=(
        Column("probe"),
        Column("prefix", meaning="the subnet"),
        Column("site"),
        Column("asked", Unit.COUNT, "answers of this probe"),
        Column("failed", Unit.COUNT),
        Column("rate", Unit.SHARE, "failed of asked"),
        Column("low", Unit.SHARE, "lower end of the 95 % interval of rate"),
        Column("high", Unit.SHARE, "upper end of the 95 % interval of rate"),
        Column("mean_s", Unit.SECONDS, "how long it took, on average"),
    ),
    select=_probes,
    finish=_probe_rate,
    since=DAY,
)
