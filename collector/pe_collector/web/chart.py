"""How do the boots of a pattern's machines lie over the last day, and which of them showed it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pe_collector.findings.look import SILENCE
from pe_collector.findings.silence import silent_boots
from pe_collector.ops.state import OpsState
from pe_collector.questions import connected
from pe_collector.questions.filters import moment
from pe_collector.store.counting import SLOW_S
from pe_collector.store.views import boots

CHART_HOURS = 24
_HOUR_S = 3600.0
# Of a larger pattern the chart shows these; its numbers are those of all.
_MOST_MACHINES = 2000
_SLOW = frozenset({"slow-address", "late-address"})


def chart_of(state: OpsState, document: Mapping[str, Any]) -> dict[str, Any]:
    """Hour by hour, the boots of the pattern's machines: how many, and how many of them showed it."""
    end_s = state.now_s()
    begin_s = end_s - CHART_HOURS * _HOUR_S
    bars = [[0, 0] for _ in range(CHART_HOURS)]
    for at_s, shows in _boots(state, document, begin_s):
        bar = bars[min(int((at_s - begin_s) / _HOUR_S), CHART_HOURS - 1)]
        bar[0] += 1
        bar[1] += shows
    onset_s = moment(document["onset"]) if document["onset"] else None
    inside = onset_s is not None and onset_s >= begin_s
    onset = 100 * (onset_s - begin_s) / (end_s - begin_s) if inside and onset_s is not None else None
    return {"bars": bars, "most": max(1, *(count for count, _ in bars)), "onset": onset, "begin_s": begin_s}


def _boots(state: OpsState, document: Mapping[str, Any], begin_s: float) -> Iterator[tuple[float, bool]]:
    """When each boot was, and whether it showed the pattern."""
    slow = not _SLOW.isdisjoint(document["signature"])
    for received_s, verdict, wait_s in _reported(state, document["machines"], begin_s):
        yield received_s, verdict in document["signature"] or (slow and (wait_s or 0.0) >= SLOW_S)
    if document["kind"] == SILENCE:
        machines = frozenset(document["machines"])
        with state.reading() as connection:
            silent = silent_boots(connection, begin_s, None)
        yield from ((boot.at_s, True) for boot in silent if boot.machine_id in machines)


def _reported(state: OpsState, machines: Sequence[str], begin_s: float) -> Sequence[Any]:
    chosen = sa.select(boots.c.received_at, boots.c.verdict, boots.c.link_to_address_s).where(
        boots.c.machine_id.in_(list(machines[:_MOST_MACHINES])), boots.c.received_at >= begin_s
    )
    with connected(state.folder) as connection:
        return connection.execute(chosen).all()
