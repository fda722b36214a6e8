"""Where do machines wait for their address?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from pe_collector.questions.contract import Asked, Column, Question, Row, Unit
from pe_collector.questions.filters import conditions
from pe_collector.questions.rates import DAY
from pe_collector.store.counting import SLOW_S
from pe_collector.store.views import boots
from pe_collector.store.where import DUCKDB

_SHARES = {"p50_s": 0.5, "p90_s": 0.9, "p99_s": 0.99}


def _slow(asked: Asked) -> list[Row]:
    rows = _on_export(asked) if asked.connection.dialect.name == DUCKDB else _wait_by_wait(asked)
    return sorted(rows, key=lambda row: (-row["p50_s"], row["prefix"]))


def _known(asked: Asked) -> sa.Select[Any]:
    """Subnet, site and wait of each boot whose wait is known."""
    chosen = sa.select(boots.c.prefix, boots.c.site, boots.c.link_to_address_s)
    return chosen.where(
        boots.c.link_to_address_s.is_not(None), boots.c.prefix.is_not(None), *conditions(boots, asked.filters)
    )


def _wait_by_wait(asked: Asked) -> Iterator[dict[str, Any]]:
    place = boots.c.prefix, boots.c.site.nulls_first()
    chosen = _known(asked).order_by(*place, boots.c.link_to_address_s)
    for (prefix, site), group in itertools.groupby(asked.connection.execute(chosen), key=lambda row: (row[0], row[1])):
        waits = [wait_s for _, _, wait_s in group]
        shares = {name: percentile(waits, share) for name, share in _SHARES.items()}
        slow = sum(wait_s >= SLOW_S for wait_s in waits)
        yield {"prefix": prefix, "site": site, "boots": len(waits), "slow": slow, "most_s": waits[-1], **shares}


def _on_export(asked: Asked) -> Iterator[dict[str, Any]]:
    """Millions of waits would take long to come here; DuckDB has the same rank of its own."""
    known = _known(asked).subquery("known")
    wait_s = known.c.link_to_address_s
    ranks = sa.func.quantile_disc(wait_s, sa.literal_column(str([*_SHARES.values()])))
    slow = sa.func.sum(sa.case((wait_s >= SLOW_S, 1), else_=0))
    place = known.c.prefix, known.c.site
    chosen = sa.select(*place, sa.func.count(), slow, sa.func.max(wait_s), ranks).group_by(*place)
    for prefix, site, count, late, most_s, found in asked.connection.execute(
        chosen.order_by(known.c.prefix, known.c.site.nulls_first())
    ):
        shares = dict(zip(_SHARES, found, strict=True))
        yield {"prefix": prefix, "site": site, "boots": count, "slow": late, "most_s": most_s, **shares}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    # -(-x // 1) rounds up; the tiny bit keeps 0.9 * 10 at 9.
    rank = int(-(-(share * len(ordered) - 1e-9) // 1))
    return ordered[min(max(rank, 1), len(ordered)) - 1]


SLOW = Question(
    name="slow",
    title="Slow addresses",
    summary="How long do machines wait for an address after link, in each subnet?",
    columns=(
        Column("prefix", meaning="the subnet"),
        Column("site"),
        Column("boots", Unit.COUNT, "boots whose wait is known"),
        Column("p50_s", Unit.SECONDS, "half of them waited no longer"),
        Column("p90_s", Unit.SECONDS, "nine of ten waited no longer"),
        Column("p99_s", Unit.SECONDS, "99 of a hundred waited no longer"),
        Column("most_s", Unit.SECONDS, "the longest wait"),
        Column("slow", Unit.COUNT, "boots that waited 25 s or longer"),
    ),
    rows=_slow,
    since=DAY,
)
