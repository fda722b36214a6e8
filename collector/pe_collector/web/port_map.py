"""On which switches and ports do failing boots hang?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pe_collector.ops.route import state_of
from pe_collector.questions import ask, connected
from pe_collector.questions.contract import Row
from pe_collector.questions.rates import RATES
from pe_collector.web.view import asked_filters, page
from pe_collector.web.words import with_words

_MOST_PORTS = 20_000
_SWITCHES = next(question for question in RATES if question.name == "switches")


def port_map(request: Request) -> Response:
    """A line a switch, a cell a port, those with the most failures first."""
    words, state = asked_filters(request), state_of(request)
    with connected(state.folder) as connection:
        answer = ask(connection, _SWITCHES, {**words, "limit": _MOST_PORTS}, state.now_s())
    table = with_words("/q/switches", words)
    return page(request, "ports.html", "Switches and ports", switches=switches_of(answer.rows), table=table)


def switches_of(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The ports of each switch in the order in which they are labelled."""

    def switch_of(row: Row) -> tuple[str, str]:
        return row["switch"], row["site"] or ""

    found = [
        _switch(switch, site, sorted(ports, key=_port_order))
        for (switch, site), ports in groupby(sorted(rows, key=switch_of), key=switch_of)
    ]
    return sorted(found, key=lambda one: (-one["failed"], one["switch"]))


def _switch(switch: str, site: str, ports: list[Row]) -> dict[str, Any]:
    sums = {name: sum(port[name] for port in ports) for name in ("boots", "failed", "slow")}
    return {"switch": switch, "site": site, "ports": ports, **sums}


def _port_order(row: Row) -> list[tuple[int, int, str]]:
    """Gi1/0/9 before Gi1/0/14."""
    parts = re.findall(r"\d+|\D+", row["switch_port"] or "")
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
