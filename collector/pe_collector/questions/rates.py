"""How often do boots fail, by what they have in common? One select for subnets, switches, images, servers and NICs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pe_collector.engine.statistics import interval
from pe_collector.questions.contract import Asked, Column, Question, Row, Unit
from pe_collector.questions.filters import conditions
from pe_collector.store.counting import FAULT, SLOW_S
from pe_collector.store.views import boots

FAILED = FAULT
DAY = "24h"
_RATES = (
    Column("boots", Unit.COUNT, "boots in the period"),
    Column("machines", Unit.COUNT, "different machines"),
    Column("failed", Unit.COUNT, "boots whose verdict is a fault"),
    Column("rate", Unit.SHARE, "failed of boots"),
    Column("low", Unit.SHARE, "lower end of the 95 % interval of rate"),
    Column("high", Unit.SHARE, "upper end of the 95 % interval of rate"),
    Column("slow", Unit.COUNT, "boots that waited 25 s or longer for an address"),
    Column("last_seen", Unit.TIME, "when the last of them was received"),
)


def rated(row: Row) -> Row:
    """The row with its failure rate and the rate's interval (Wilson, 95 %); None without a boot."""
    boots_, failed = row["boots"], row["failed"]
    low, high = interval(failed, boots_) if boots_ else (None, None)
    return {**row, "rate": failed / boots_ if boots_ else None, "low": low, "high": high}


def by(names: Sequence[str]) -> Any:
    """A select of boots grouped by these columns; those of which the first is not known are left out."""

    def select(asked: Asked) -> sa.Select[Any]:
        group = [boots.c[name] for name in names]
        failed = sa.func.sum(sa.case((boots.c.outcome == FAILED, 1), else_=0)).label("failed")
        slow = sa.func.sum(sa.case((boots.c.link_to_address_s >= SLOW_S, 1), else_=0)).label("slow")
        return (
            sa.select(
                *group,
                sa.func.count().label("boots"),
                sa.func.count(sa.distinct(boots.c.machine_id)).label("machines"),
                failed,
                slow,
                sa.func.max(boots.c.received_at).label("last_seen"),
            )
            .where(group[0].is_not(None), group[0] != "", *conditions(boots, asked.filters))
            .group_by(*group)
            .order_by(sa.desc("failed"), sa.desc("boots"), *(column.nulls_first() for column in group))
        )

    return select


def _question(name: str, title: str, summary: str, head: tuple[Column, ...]) -> Question:
    return Question(
        name=name,
        title=title,
        summary=summary,
        columns=(*head, *_RATES),
        select=by([column.name for column in head]),
        finish=rated,
        since=DAY,
    )


_SITE = Column("site", meaning="the site of the address")
RATES: tuple[Question, ...] = (
    _question(
        "subnets",
        "Subnets",
        "Which subnets fail, how often, and where do addresses come late?",
        (Column("prefix", meaning="the subnet, as the machines' netmasks say"), _SITE),
    ),
    _question(
        "switches",
        "Switches",
        "Which switches and ports do failing boots hang on, where an agent has heard that?",
        (
            Column("switch", meaning="as it names itself"),
            Column("switch_port", meaning="as the switch names it"),
            _SITE,
        ),
    ),
    _question(
        "images",
        "Boot images",
        "Which boot images fail?",
        (Column("image"), Column("image_build", meaning="stamped into it by pe-image")),
    ),
    _question("servers", "Deployment servers", "Boots of which server fail?", (Column("server"),)),
    _question(
        "nics",
        "Network adapters",
        "Which network adapters, with which driver, fail?",
        (Column("nic", meaning="hardware id of the adapter"), Column("nic_driver"), Column("model")),
    ),
)
