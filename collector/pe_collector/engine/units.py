"""Which boots count, and what can be known of a boot from its machine's other boots?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pe_collector.engine.addresses import Addresses
from pe_collector.engine.table import HEALTHY, MISSING, Codes, Column, Flags, Places, Reals, Table

# What stays with a machine from boot to boot; what a boot is offered (server, image, lease) does not.
_STAYS = frozenset(
    {
        *("site", "subnet", "gateway", "vlan", "switch", "port", "last_hop"),
        *("manufacturer", "model", "bios", "cpu", "adapter_hardware", "adapter_driver"),
    }
)

# Who stands before a machine that does not boot tries again, and that says nothing new.
RETRY_S = 1800.0
_MOST_HALVINGS = 60

# What all addresses between two of one place share.
_OF_ADDRESS = frozenset({"site", "subnet", "gateway"})


def retries(table: Table, retry_s: float = RETRY_S, among: Flags | None = None) -> Flags:
    """Failures of a machine, `among` these, within `retry_s` seconds of its last one with the same signature."""
    again = np.zeros(table.size, dtype=np.bool_)
    is_failed = table.outcomes != HEALTHY
    failed = np.flatnonzero(is_failed if among is None else is_failed & among)
    order = failed[np.lexsort((table.at_s[failed], table.outcomes[failed], table.machines[failed]))]
    before, after = order[:-1], order[1:]
    same = (table.machines[before] == table.machines[after]) & (table.outcomes[before] == table.outcomes[after])
    again[after[same & (table.at_s[after] - table.at_s[before] <= retry_s)]] = True
    return again


def weights(table: Table, again: Flags) -> Reals:
    """Weight of each failure: 1, then a half, a quarter, ... for each further one of a machine with one signature.

    However often one machine fails, all it can weigh is 2; so it is with all that share one value of a mark.
    Retries and healthy boots weigh 0 here.
    """
    counted = np.flatnonzero((table.outcomes != HEALTHY) & ~again)
    weight = np.zeros(table.size, dtype=np.float64)
    weight[counted] = 1.0
    for sources in (table.machines, *table.marks):
        order = counted[np.lexsort((table.at_s[counted], table.outcomes[counted], sources[counted]))]
        weight[order] = np.minimum(weight[order], _halved(sources[order], table.outcomes[order]))
    return weight


def _halved(sources: Codes, outcomes: Codes) -> Reals:
    """Rows stand source by source and outcome by outcome: 1 for the first of each, a half for the next, ..."""
    first = np.ones(len(sources), dtype=np.bool_)
    first[1:] = (sources[1:] != sources[:-1]) | (outcomes[1:] != outcomes[:-1])
    starts = np.maximum.accumulate(np.where(first, np.arange(len(sources)), 0))
    # Below the smallest number there is, a weight would be no weight at all.
    halved: Reals = 0.5 ** np.minimum(np.arange(len(sources)) - starts, _MOST_HALVINGS)
    return halved


def filled_in(table: Table) -> Table:
    """What a report lacks and its machine's other boots agree on is taken from the nearest of them in time.

    A machine that got no lease still stands where it stood; only what stays with a machine is filled in.
    """
    order = np.lexsort((table.at_s, table.machines))
    columns = {
        name: Column(_carried(table, order, column.codes), column.values) if name in _STAYS else column
        for name, column in table.columns.items()
    }
    addresses = _filled_addresses(table, order)
    if addresses is not None:
        for name in _OF_ADDRESS & columns.keys():
            columns[name] = Column(_between(addresses.ranks, columns[name].codes), columns[name].values)
    return replace(table, columns=columns, addresses=addresses)


def _between(ranks: Codes, codes: Codes) -> Codes:
    """Where an address lies between two that agree on a place, it is of that place too."""
    rows = np.flatnonzero(ranks >= 0)
    order = rows[np.argsort(ranks[rows], kind="stable")]
    sorted_codes = codes[order]
    known = sorted_codes != MISSING
    gaps = np.flatnonzero(~known)
    earlier = _last_known(known)[gaps]
    later = len(order) - 1 - _last_known(known[::-1])[::-1][gaps]
    inside = (earlier >= 0) & (later < len(order))
    gaps, earlier, later = gaps[inside], earlier[inside], later[inside]
    agree = sorted_codes[earlier] == sorted_codes[later]
    filled = codes.copy()
    filled[order[gaps[agree]]] = sorted_codes[earlier[agree]]
    return filled


def _filled_addresses(table: Table, order: Places) -> Addresses | None:
    if table.addresses is None:
        return None
    return replace(table.addresses, ranks=_carried(table, order, table.addresses.ranks))


def _carried(table: Table, order: Places, codes: Codes) -> Codes:
    """`order` sorts by machine, then time: the nearest known value of the same machine goes to each gap."""
    sorted_codes = codes[order]
    known = sorted_codes != MISSING
    if known.all() or not known.any():
        return codes
    earlier = _last_known(known)
    later = len(order) - 1 - _last_known(known[::-1])[::-1]
    filled = codes.copy()
    gaps = np.flatnonzero(~known)
    filled[order[gaps]] = _nearer(table, order, sorted_codes, (gaps, earlier[gaps], later[gaps]))
    return filled


def _last_known(known: Flags) -> Places:
    """For each place the last known one up to it, -1 when there is none."""
    return np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))


def _nearer(table: Table, order: Places, codes: Codes, sides: tuple[Places, Places, Places]) -> Codes:
    gaps, earlier, later = sides
    distances = [_distance(table, order, gaps, side) for side in (earlier, later)]
    nearest = np.where(distances[0] <= distances[1], earlier, later)
    known = np.isfinite(np.minimum(*distances))
    return np.where(known, codes[np.clip(nearest, 0, len(order) - 1)], MISSING).astype(np.int32)


def _distance(table: Table, order: Places, gaps: Places, side: Places) -> Reals:
    """Seconds to the boot on that side; infinite when it is of another machine or there is none."""
    inside = (side >= 0) & (side < len(order))
    there = order[np.clip(side, 0, len(order) - 1)]
    here = order[gaps]
    same = inside & (table.machines[there] == table.machines[here])
    return np.where(same, np.abs(table.at_s[there] - table.at_s[here]), np.inf)
