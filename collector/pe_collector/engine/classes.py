"""Which signatures does one fault show as, in a table whose signatures are not known to this program?

Looked at one by one, a server that fails in three ways fails now and then; all signatures together as one class would
take in whatever else fails nearby. So the search is made twice: what explains any failure says which signatures go
together, and then only these are searched for as classes.
"""

from __future__ import annotations

from dataclasses import replace
from math import log

from pe_collector.engine.greedy import Account, Settings
from pe_collector.engine.nodes import Node, Stages
from pe_collector.engine.table import Table


def with_classes(table: Table, settings: Settings) -> Settings:
    """The settings with a class for each set of signatures that one explanation of this table shows as.

    All signatures stand at one stage: a boot that failed in one way got as far as any that failed in another.
    """
    names = [name for name in table.signatures if name]
    cost = log(max(2, len(names)))
    together = Stages({}, 0, (Node("any failure", frozenset(names)),), class_cost=cost)
    account = Account(table, replace(settings, stages=together))
    found = (frozenset(table.signatures[code] for code in one.signatures) for one in account.explain())
    classes = sorted({" or ".join(sorted(group)): group for group in found if len(group) > 1}.items())
    return replace(settings, stages=Stages({}, 0, tuple(Node(*one) for one in classes), class_cost=cost))
