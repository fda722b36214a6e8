"""What did the search look at before it chose a pattern? The winner and the runners-up, each with its counts."""

from __future__ import annotations

from collections.abc import Iterable

from pe_collector.engine.explain import in_words
from pe_collector.engine.greedy import Account
from pe_collector.engine.model import Explanation
from pe_collector.engine.view import Found, View
from pe_collector.findings.pattern import Considered

_MOST = 6


def considered(account: Account, chosen: Explanation) -> tuple[Considered, ...]:
    """The chosen condition first, then others by what they are worth beside the other patterns."""
    looked_at = account.considered(chosen)
    # Scored anew beside the final background, as the others are.
    first = [one for one in looked_at if one.condition == chosen.condition] or [chosen.found]
    view = account.model.view(chosen.found.node, ())
    return tuple(_considered(account, view, one) for one in _distinct([*first, *looked_at])[:_MOST])


def _distinct(found: Iterable[Found]) -> list[Found]:
    return list({one.condition: one for one in reversed([*found])}.values())[::-1]


def _considered(account: Account, view: View, one: Found) -> Considered:
    verdict, evidence = one.verdict, view.evidence(one.condition)
    failed, healthy = (
        int(((rows >= verdict.start) & (rows < verdict.end)).sum())
        for rows in (evidence.failed_at, view.healthy_in(one.condition))
    )
    times = account.ground.table.at_s
    onset_s = float(times[verdict.start]) if verdict.began else None
    ended_s = float(times[verdict.end - 1]) if verdict.ended else None
    return Considered(in_words(account, one.condition), one.score, failed, failed + healthy, onset_s, ended_s)
