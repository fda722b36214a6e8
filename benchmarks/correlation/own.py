"""What does the collector's own engine answer for a run of the simulated fleet?"""

from __future__ import annotations

from pe_collector.engine.greedy import Account, Settings
from pe_collector.engine.ground import PREFIX, Condition

from benchmarks.correlation.extras import own_prefix
from benchmarks.correlation.faults import Target
from benchmarks.correlation.run import Run
from benchmarks.correlation.scoring import Answer


def engine(run: Run) -> list[Answer]:
    """Its explanations and their alternatives, in the simulator's own numbers."""
    account = Account(run.table, Settings())
    return [
        Answer(
            _target(run, account, one.condition),
            frozenset(run.table.signatures[code] for code in one.signatures),
            tuple(_target(run, account, other.condition) for other in account.alternatives(one)),
            float(run.table.at_s[one.found.verdict.start]) if one.found.verdict.began else None,
        )
        for one in account.explain()
    ]


def _target(run: Run, account: Account, condition: Condition) -> Target:
    target: dict[str, int | tuple[int, int]] = {}
    for item in condition:
        if item.attribute == PREFIX and run.table.addresses is not None:
            prefix = run.table.addresses.prefix_of(account.ground.prefixes[item.low, item.high])
            target["prefix"] = own_prefix(prefix.version, prefix.network, prefix.length)
        else:
            target[item.attribute] = int(run.table.columns[item.attribute].values[item.low])
    return target
