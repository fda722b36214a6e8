"""What would a million machines need? A model on paper: every figure is measured, assumed or a price, and says which.

python -m benchmarks.scale.paper [--out docs/scale-model.md]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.scale.figures import DIRECT, VIA_LEAVES, Figure, Fleet, everything

_HEAD = """# A million machines, on paper

Printed by `python -m benchmarks.scale.paper`. Nobody has run this fleet: what follows is arithmetic
over figures that are measured on a small shared machine, assumed, or prices, each of which says so. Put in your own.
"""


def page(figures: Mapping[str, Figure]) -> str:
    """The whole text."""
    fleet = Fleet(figures)
    parts = [_HEAD, "## What it rests on\n", _table("figure|value|from", [_figure(*each) for each in figures.items()])]
    for title, head, rows, words in _SECTIONS:
        parts += [f"## {title}\n", _table(head, rows(fleet)), words.strip() + "\n"]
    return "\n".join(parts)


def _figure(name: str, figure: Figure) -> tuple[str, ...]:
    return name, f"{_number(figure.value)} {figure.unit}".strip(), figure.source


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    names = head.split("|")
    lines = [f"| {' | '.join(names)} |", "|---" + "|--:" * (len(names) - 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _load(fleet: Fleet) -> list[tuple[str, ...]]:
    return [
        (
            name,
            _number(rate),
            _number(fleet.processors(rate, DIRECT)),
            _number(fleet.processors(rate, VIA_LEAVES)),
        )
        for name, rate in fleet.rates.items()
    ]


def _hubs(fleet: Fleet) -> list[tuple[str, ...]]:
    streams = fleet.of("sites") * fleet.of("an idle stream") / 1024
    agents = fleet.of("machines") / fleet.of("sites")
    burst = fleet.of("1,000 agents at once, to the last receipt") * agents / 1000
    return [
        ("processors of all hubs, behind leaves", _number(fleet.hub_processors)),
        ("memory for a stream from each site, MiB", _number(streams)),
        ("machines at a site", _number(agents)),
        ("all of a site at once, seconds to the last receipt at its leaf", _number(burst)),
    ]


def _storage(fleet: Fleet) -> list[tuple[str, ...]]:
    log = fleet.of("log octets of a report, compressed")
    all_logs = fleet.gigabytes(fleet.of("rows are kept"), log)
    return [
        ("rows a day", _number(fleet.gigabytes(1, fleet.row_kb))),
        ("logs a day", _number(fleet.gigabytes(1, log))),
        *((f"{name}, once full", _number(size)) for name, size in fleet.stored.items()),
        ("together", _number(sum(fleet.stored.values()))),
        ("for comparison: every log as long as its rows", _number(all_logs + fleet.stored["rows"])),
    ]


def _lines(fleet: Fleet) -> list[tuple[str, ...]]:
    day = fleet.site_kb_a_day
    whole = fleet.of("machines") / fleet.of("sites") * fleet.of("wire octets of a report passed on")
    seconds = whole * 8 / (fleet.of("line of a site") * 1000)
    return [
        ("a site's line, MB a day", _number(day / 1000)),
        ("all sites, GB a day", _number(day * fleet.of("sites") / 1e6)),
        ("all machines of a site at once, seconds on its line", _number(seconds)),
        *((f"waiting at a leaf after {days} d without a line, MB", _number(day * days / 1000)) for days in (1, 7, 30)),
        ("days until the outbox is full", _number(fleet.of("outbox of a leaf") * 1.073741824e6 / day)),
    ]


def _failover(fleet: Fleet) -> list[tuple[str, ...]]:
    seconds = fleet.of("a standby is promoted within")
    rows = [(f"reports that wait, {name}", _number(rate * seconds)) for name, rate in fleet.rates.items()]
    spare = 1000 / fleet.of(VIA_LEAVES) * fleet.hub_processors - fleet.rates["after a blackout"]
    return [
        *rows,
        ("seconds to catch up, after a blackout", _number(fleet.rates["after a blackout"] * seconds / spare)),
    ]


def _cost(fleet: Fleet) -> list[tuple[str, ...]]:
    copies = fleet.of("copies of the database")
    amounts = (
        ("processors of the hubs", fleet.hub_processors, "a virtual processor"),
        ("processors of the databases, as many for each copy", fleet.hub_processors * copies, "a virtual processor"),
        ("GB of disk, all copies", sum(fleet.stored.values()) * copies, "a gigabyte of SSD"),
        ("GB over all lines a month", fleet.site_kb_a_day * fleet.of("sites") * 30 / 1e6, "a gigabyte over the line"),
    )
    rows = [
        (what, _number(much), f"{fleet.of(price):.2f}", _number(much * fleet.of(price)))
        for what, much, price in amounts
    ]
    total = sum(much * fleet.of(price) for _, much, price in amounts)
    return [*rows, ("together", "", "", _number(total))]


_Rows = Callable[[Fleet], Sequence[Sequence[str]]]
_SECTIONS: tuple[tuple[str, str, _Rows, str], ...] = (
    (
        "Load",
        "situation|reports a second|processors, agents straight to hubs|behind leaves",
        _load,
        (
            "Taking reports in fits on a few machines even after a blackout. What asks for more is history, logs,\n"
            "and that nothing stops when one machine or one line does."
        ),
    ),
    (
        "Hubs and leaves",
        "what|amount",
        _hubs,
        (
            "One hub commits at a time (docs/scale.md), so more hubs share the processor's work, not the database's.\n"
            "How many commits a database of this size takes was not measured."
        ),
    ),
    (
        "Storage",
        "what, one copy|GB",
        _storage,
        (
            "Beyond the periods an export as Parquet keeps what was concluded. How PostgreSQL behaves with\n"
            "this much was not measured; the largest fleet that was is in docs/benchmarks-scale.md."
        ),
    ),
    (
        "Lines and cuts",
        "what|amount",
        _lines,
        "A cut loses nothing until the outbox is full; then the oldest logs go first and verdicts last (docs/leaf.md).",
    ),
    (
        "Failover",
        "while no database can be written to|amount",
        _failover,
        (
            "They wait at leaves, or on the machines' own media, and come again: what was acknowledged is on\n"
            "two disks (tests/store/test_failover.py)."
        ),
    ),
    (
        "Cost a month",
        "what|amount|price|$",
        _cost,
        "Leaves are small machines that sites have already; people, backups and the network are not in it.",
    ),
)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    text = page(everything())
    print(text)
    if told.out:
        told.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
