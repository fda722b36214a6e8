"""Which patterns are in these boots? The engine's causes in the words of boots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pe_collector.boots import Boot
from pe_collector.engine.explain import Cause, cause_of, rows_elsewhere
from pe_collector.engine.greedy import Account, Settings
from pe_collector.engine.model import Explanation
from pe_collector.engine.nodes import Node
from pe_collector.engine.table import HEALTHY, Codes, Places
from pe_collector.findings.account import considered
from pe_collector.findings.pattern import Alternative, Pattern
from pe_collector.findings.rows import Ground, Seen, ground_of
from pe_collector.findings.ruled_out import Beside, ruled_out
from pe_collector.findings.stages import stages_for
from pe_collector.findings.targets import host_of
from pe_collector.statistics import Counts

# A pattern of four machines that all fail is worth saying; docs/patterns.md says how quiet fleets fare with that.
SETTINGS = Settings(alpha=0.002)
# Share of the failed boots that must agree before a pattern names their server, or takes in another finding.
_NEARLY_ALL = 0.9
_SAME_BOOTS = 0.8
_HEALTHY_AFTER = 3
_MACHINES_AFTER = 2


def search(
    seen: Seen, said: Codes, kind: str, settings: Settings = SETTINGS, only: Collection[str] | None = None
) -> list[Pattern]:
    """The patterns among these boots, the clearest first; what they `said` as for `ground_of`.

    With names of signatures `only` those that mostly show one of them.
    """
    ground = ground_of(seen, said)
    if not ground.signatures:
        return []
    about = frozenset(only or ())
    account = Account(ground.table, replace(settings, stages=stages_for(ground.signatures), about=about))
    chosen = [(one, _mostly(ground, one)) for one in account.explain()]
    return [_pattern(ground, account, one, (kind, main)) for one, main in chosen if only is None or main in only]


def _mostly(ground: Ground, one: Explanation) -> str:
    """The signature that most of its failures show."""
    shown = Counter(ground.signature(row) for row in one.failed.tolist())
    return min(shown, key=lambda name: (-shown[name], name))


def _pattern(ground: Ground, account: Account, one: Explanation, names: tuple[str, str]) -> Pattern:
    """`names` are the kind and the signature that most of its failures show."""
    kind, main = names
    cause = cause_of(account, one)
    failed = ground.boots(one.failed)
    machines = tuple(sorted({boot.machine_id for boot in failed}))
    target = _shared([boot.failures.get(main, "") for boot in failed])
    good = _good_before(ground, account, one, cause.onset_after_s)
    after = _rows_after(account, one)
    ended = cause.ended_s is not None and _is_well(ground, after)
    return Pattern(
        id=cause.id,
        kind=kind,
        signature=(main, *sorted(_further(cause, failed) - {main})),
        conditions=_conditions(cause.conditions, failed, target),
        target=target,
        counts=_counts(cause, 0 if ended else len(after)),
        score=cause.score,
        p_value=cause.p_value,
        machines=machines,
        failed=failed,
        onset_s=cause.onset_s,
        onset_after_s=cause.onset_after_s,
        ended_s=float(ground.table.at_s[after[0]]) if ended else None,
        last_healthy=good,
        looked_at=cause.looked_at,
        alternatives=tuple(Alternative(dict(a.conditions), a.decided_by) for a in cause.alternatives),
        ruled_out=ruled_out(ground, cause, one.failed, _beside(account, one, after[:0] if ended else after)),
        considered=considered(account, one),
    )


def _beside(account: Account, one: Explanation, inside: Places) -> Beside:
    """The rows that the counts elsewhere stand for, without those that count inside."""
    failed, reached = (np.setdiff1d(rows, inside, assume_unique=True) for rows in rows_elsewhere(account, one))
    return Beside(failed, reached)


def _good_before(ground: Ground, account: Account, one: Explanation, at_s: float | None) -> Boot | None:
    """The last boot inside that was well before the first failure, by the time that the cause names."""
    if at_s is None or at_s > ground.table.at_s[one.failed[0]]:
        return None
    rows = account.ground.rows_in(one.condition)
    rows = rows[(ground.table.at_s[rows] == at_s) & (ground.table.outcomes[rows] == HEALTHY)]
    return next(iter(ground.boots(rows)), None)


def _rows_after(account: Account, one: Explanation) -> Places:
    """Rows inside that came after the period and got far enough to fail so."""
    names = frozenset(account.ground.table.signatures[code] for code in one.signatures)
    rows = account.ground.rows_in(one.condition)
    rows = rows[rows >= one.found.verdict.end]
    after: Places = rows[account.ground.passed(Node("", names))[rows]]
    return after


def _is_well(ground: Ground, after: Places) -> bool:
    """At least three boots of two machines: one good boot ends no fault."""
    return len(after) >= _HEALTHY_AFTER and len(np.unique(ground.machines(after))) >= _MACHINES_AFTER


def _counts(cause: Cause, after: int) -> Counts:
    """So many boots after a period that has not ended yet count inside."""
    return Counts(cause.failed, cause.boots + after, cause.failed_elsewhere, cause.boots_elsewhere - after)


def _conditions(found: Mapping[str, str], failed: Sequence[Boot], target: str) -> dict[str, str]:
    """The conditions, and always the server that was asked, where the failed boots agree on one."""
    conditions = dict(found)
    if "server" not in conditions:
        server = _shared([boot.attributes.get("server", "") for boot in failed]) or host_of(target)
        conditions |= {"server": server} if server else {}
    return conditions


def _further(cause: Cause, failed: Sequence[Boot]) -> set[str]:
    """The other signatures of this cause, and findings that nearly all of its boots show beside."""
    beside = Counter(name for boot in failed for name in boot.failures)
    return {*cause.signatures, *(name for name, count in beside.items() if count >= _SAME_BOOTS * len(failed))}


def _shared(values: Sequence[str]) -> str:
    """The value on which nearly all that have one agree, else empty."""
    given = Counter(value for value in values if value)
    value, count = min(given.items(), key=lambda pair: (-pair[1], pair[0]), default=("", 0))
    return value if count >= _NEARLY_ALL * given.total() else ""
