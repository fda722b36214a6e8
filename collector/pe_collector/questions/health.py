"""Does delivery work, and which probes fail where?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from pe_collector.engine.statistics import interval
from pe_collector.questions.contract import Asked, Column, Question, Row, Unit
from pe_collector.questions.counted import counted, in_whole
from pe_collector.questions.filters import conditions
from pe_collector.questions.rates import DAY
from pe_collector.questions.rollup import DELIVERY_HOURS
from pe_collector.store.counting import ANSWERED
from pe_collector.store.rates import HOUR_S
from pe_collector.store.tables import observation, refusal
from pe_collector.store.views import observations, reports
from pe_collector.store.where import DUCKDB

# Filters whose columns stand beside an observation, too.
_BESIDE = frozenset({"since_s", "until_s", "site", "server"})


def _delivery(asked: Asked) -> Iterator[Row]:
    refused = _refused(asked)
    for (hour_at,), counts in sorted(counted(asked, DELIVERY_HOURS).items(), reverse=True):
        named = dict(zip(DELIVERY_HOURS.counts, counts, strict=True))
        yield {"hour_at": hour_at, **named, "refused": refused.get(int(hour_at), 0)}


def _refused(asked: Asked) -> dict[int, int]:
    """Hour -> refusals in it."""
    within = in_whole(asked.filters, HOUR_S)
    chosen = sa.select(refusal.c.hour_at, sa.func.sum(refusal.c.times)).group_by(refusal.c.hour_at)
    if within.since_s is not None:
        chosen = chosen.where(refusal.c.hour_at >= within.since_s)
    return {row[0]: row[1] for row in asked.connection.execute(chosen)}


def _count(condition: sa.ColumnElement[bool], name: str) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.case((condition, 1), else_=0)).label(name)


def _probes(asked: Asked) -> sa.Select[Any]:
    rows, place, answers = _answers(asked)
    known = place.c.prefix, place.c.site
    failed = _count(answers.c.outcome == "failed", "failed")
    return (
        sa.select(
            answers.c.probe,
            *known,
            sa.func.count().label("asked"),
            failed,
            sa.func.avg(answers.c.elapsed_s).label("mean_s"),
        )
        .select_from(rows)
        .where(answers.c.outcome.in_(ANSWERED), *conditions(place, asked.filters))
        .group_by(answers.c.probe, *known)
        .order_by(sa.desc("failed"), sa.desc("asked"), answers.c.probe, *(c.nulls_first() for c in known))
    )


def _answers(asked: Asked) -> tuple[sa.FromClause, sa.FromClause, sa.FromClause]:
    """What to select from, and of it what says where, and what a probe found."""
    if asked.connection.dialect.name == DUCKDB and asked.filters.given.keys() <= _BESIDE:
        # An export has this beside each observation, which spares it the joining of a month of them.
        return observations, observations, observations
    together = sa.join(reports, observation, observation.c.report_id == reports.c.report_id)
    return together, reports, observation


def _probe_rate(row: Row) -> Row:
    low, high = interval(row["failed"], row["asked"])
    return {**row, "rate": row["failed"] / row["asked"], "low": low, "high": high}


DELIVERY = Question(
    name="delivery",
    title="Delivery",
    summary="Do reports arrive whole and in time, in each hour that begins in the period?",
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
    rows=_delivery,
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
