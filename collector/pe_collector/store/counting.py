"""How many boots and answers were there in one hour? Counted from the reports themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pe_collector.connection import Connection
from pe_collector.store.prefix_tree import COUNTED, head_of, key_octets
from pe_collector.store.rates import HOUR_S

# A DHCP client's first try is lost and the one after next is late: nobody waits so long for an address but for a
# switch port that is not forwarding yet, or a server that is slow.
SLOW_S = 25.0
FAULT = "fault"
ANSWERED = ("ok", "warning", "failed")
# HOST:PORT or [ADDRESS]:PORT; an IPv6 address alone has no port.
_PORT = re.compile(r"(?:[^:\[\]]+|\[[^\]]+\]):(\d{1,5})")
_OCTETS = key_octets(COUNTED - 1)
_HEAD = f"substr(address_key, 1, CASE substr(address_key, 1, 1) WHEN '4' THEN {_OCTETS[4]} ELSE {_OCTETS[6]} END)"
_BOOTS = (
    f"SELECT coalesce(prefix, ''), coalesce(site, ''), coalesce({_HEAD}, ''), count(*), "  # noqa: S608
    "sum(CASE WHEN outcome=? THEN 1 ELSE 0 END), sum(CASE WHEN link_to_address_s>=? THEN 1 ELSE 0 END) FROM report "
    "WHERE speaks=1 AND received_at>=? AND received_at<? GROUP BY 1, 2, 3"
)
# Of what was brought by hand nobody knows how long it took.
_TOOK = "CASE WHEN complete=1 AND carried=0 THEN last_frame_at-received_at END"
_DELIVERED = (
    "SELECT count(*), sum(CASE WHEN complete=0 THEN 1 ELSE 0 END), sum(CASE WHEN carried=1 THEN 1 ELSE 0 END), "  # noqa: S608
    f"sum(stored_octets), avg({_TOOK}), max({_TOOK}), avg(clock_skew_s), max(abs(clock_skew_s)) FROM report "
    "WHERE received_at>=? AND received_at<?"
)
_ANSWERS = (
    "SELECT coalesce(r.prefix, ''), coalesce(r.site, ''), o.probe, o.target, count(*), "
    "sum(CASE WHEN o.outcome='failed' THEN 1 ELSE 0 END) FROM report r CROSS JOIN observation o "
    "ON o.report_id=r.report_id WHERE r.received_at>=? AND r.received_at<? AND o.outcome IN (?,?,?) "
    "AND o.target LIKE ? GROUP BY 1, 2, 3, 4"
)
Key = tuple[str | int, ...]
Counts = tuple[Any, ...]


@dataclass(slots=True)
class Boots:
    """Boots, failed, slow by prefix and site; boots, failed by level of the prefix tree and head of the key."""

    subnets: dict[Key, Counts] = field(default_factory=dict)
    heads: dict[Key, Counts] = field(default_factory=dict)


def boots_in(connection: Connection, hour_at: int) -> Boots:
    """What began to come in this hour."""
    found = Boots()
    for prefix, site, head, *counts in connection.execute(_BOOTS, (FAULT, SLOW_S, hour_at, hour_at + HOUR_S)):
        add(found.subnets, (prefix, site), counts)
        for level in range(COUNTED) if head else ():
            add(found.heads, (level, head_of(head, level)), counts[:2])
    return found


def delivered_in(connection: Connection, hour_at: int) -> Counts | None:
    """The columns of rate_delivery_hour; None for an hour without reports."""
    row = tuple(connection.execute(_DELIVERED, (hour_at, hour_at + HOUR_S)).fetchone())
    return row if row[0] else None


def answers_in(connection: Connection, hour_at: int) -> dict[Key, Counts]:
    """(prefix, site, probe, port) -> asked, failed."""
    rows = connection.execute(_ANSWERS, (hour_at, hour_at + HOUR_S, *ANSWERED, "%:%"))
    return by_port(tuple(row) for row in rows)


def by_port(rows: Iterable[tuple[str, str, str, str, int, int]]) -> dict[Key, Counts]:
    """Rows of prefix, site, probe, target and counts by port; targets without one are left out."""
    found: dict[Key, Counts] = {}
    for prefix, site, probe, target, *counts in rows:
        if (match := _PORT.fullmatch(target)) and int(match[1]) < 65536:
            add(found, (prefix, site, probe, int(match[1])), counts)
    return found


def add(into: dict[Key, Counts], key: Key, counts: Iterable[int]) -> None:
    """Add counts to those under a key."""
    known = into.get(key)
    into[key] = tuple(counts) if known is None else tuple(a + b for a, b in zip(known, counts, strict=True))


def add_all(into: dict[Key, Counts], more: Mapping[Key, Counts]) -> None:
    """Add counts to those under the same keys."""
    for key, counts in more.items():
        add(into, key, counts)
