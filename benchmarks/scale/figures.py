"""What is the model on paper made of? Figures that are measured, assumed or prices, and what follows from them.

Measured figures are read from the pages that the benchmarks printed, so that the model cannot be better than they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
INGEST, SCALE = "benchmarks-ingest.md", "benchmarks-scale.md"
_ASSUMED, _ASKED, _PRICE = "assumed", "the fleet in question", "price, put in your own"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its unit, and where it is from."""

    value: float
    unit: str
    source: str


FIGURES: Mapping[str, Figure] = {
    "machines": Figure(1_000_000, "", _ASKED),
    "subnets": Figure(100_000, "", _ASKED),
    "sites": Figure(2_000, "", _ASKED),
    "boots of a machine a day": Figure(1, "", _ASSUMED),
    "reports of a boot": Figure(1, "", _ASSUMED),
    "peak hour over mean hour": Figure(10, "times", _ASSUMED),
    "storm: share of the fleet": Figure(0.05, "", _ASSUMED),
    "storm: within": Figure(600, "s", _ASSUMED),
    "storm: reports of a machine": Figure(3, "", _ASSUMED),
    "after a blackout: all boot within": Figure(3600, "s", _ASSUMED),
    "share of boots that fail": Figure(0.05, "", _ASSUMED),
    "rows are kept": Figure(90, "days", _ASSUMED),
    "logs of failures are kept": Figure(90, "days", _ASSUMED),
    "logs of successes are kept": Figure(7, "days", _ASSUMED),
    "copies of the database": Figure(2, "", "primary and synchronous standby, docs/scale.md"),
    "record octets of a report": Figure(1.0, "KB", "stored as they came beside the rows; 12 observations, assumed"),
    "log octets of a report, compressed": Figure(11.0, "KB", f"docs/{INGEST}, a setupact.log of 200 KB"),
    "a processor is used to": Figure(0.5, "", "at most, to have room for what comes unforeseen; assumed"),
    "line of a site": Figure(2.0, "Mbit/s", _ASSUMED),
    "outbox of a leaf": Figure(10.0, "GiB", "`forward_budget_octets`, docs/leaf.md"),
    "a standby is promoted within": Figure(30, "s", "assumed; the cluster manager's business"),
    "a virtual processor": Figure(30.0, "$ a month", _PRICE),
    "a gigabyte of SSD": Figure(0.10, "$ a month", _PRICE),
    "a gigabyte over the line": Figure(0.05, "$", _PRICE),
}


def measured(ingest: str, scale: str) -> dict[str, Figure]:
    """Figures out of the printed pages.

    Raises:
        LookupError: a page has no such row any more.
    """
    rows = {tuple(cells[:3]): cells for cells in _cells(ingest)}

    def of(way: str, mode: str, agents: int, place: int) -> float:
        return float(rows[way, mode, str(agents)][place])

    source = f"measured, docs/{INGEST}"
    return {
        "a report on a fresh connection": Figure(of("collector", "fresh", 100, 8), "ms of a processor", source),
        "a report passed on by a leaf": Figure(of("collector", "forward", 2, 8), "ms of a processor", source),
        "1,000 agents at once, to the last receipt": Figure(of("collector", "fresh", 1000, 7) / 1000, "s", source),
        "wire octets of a report passed on": Figure(of("collector", "forward", 2, 9), "KB", source),
        "an idle stream": Figure(_after(ingest, "an idle TLS stream, KiB"), "KiB", source),
        "rows and indexes of a report": Figure(_row_kb(scale), "KB", f"measured, docs/{SCALE}, 12 observations"),
    }


def _cells(text: str) -> list[list[str]]:
    lines = (line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in cells] for cells in lines]


def _after(text: str, name: str) -> float:
    return next(float(cells[1].replace(",", "")) for cells in _cells(text) if cells[0] == name)


def _row_kb(scale: str) -> float:
    """Of the largest fleet that was measured with observations."""
    numbers = {cells[0]: cells[1:] for cells in _cells(scale)}
    sizes = [int(cell.replace(",", "")) for cell in numbers[""]]
    megabytes = [float(cell.replace(",", "") or "nan") for cell in numbers["SQLite, MB"]]
    most = int(re.search(r"up to ([\d,]+) reports", scale)[1].replace(",", ""))  # type: ignore[index]
    known = {size: mb for size, mb in zip(sizes, megabytes, strict=True) if size <= most and not math.isnan(mb)}
    return round(known[max(known)] * 1000 / max(known), 2)


DIRECT, VIA_LEAVES = "a report on a fresh connection", "a report passed on by a leaf"


@dataclass(frozen=True, slots=True)
class Fleet:
    """All figures, and what follows from them; rates in reports a second, octets in the unit that is named."""

    figures: Mapping[str, Figure]

    def of(self, name: str) -> float:
        """A figure's value."""
        return self.figures[name].value

    @property
    def reports_a_day(self) -> float:
        """Of the whole fleet."""
        return self.of("machines") * self.of("boots of a machine a day") * self.of("reports of a boot")

    @property
    def rates(self) -> dict[str, float]:
        """Reports a second by situation."""
        mean = self.reports_a_day / 86400
        storm = self.of("machines") * self.of("storm: share of the fleet") * self.of("storm: reports of a machine")
        return {
            "mean": mean,
            "peak hour": mean * self.of("peak hour over mean hour"),
            "storm": storm / self.of("storm: within"),
            "after a blackout": self.of("machines") / self.of("after a blackout: all boot within"),
        }

    def processors(self, rate: float, cost: str) -> float:
        """Processors that a rate takes at this cost of a report."""
        return rate * self.of(cost) / 1000

    @property
    def hub_processors(self) -> float:
        """To be bought for the hubs behind leaves, by the worst situation."""
        return self.processors(max(self.rates.values()), VIA_LEAVES) / self.of("a processor is used to")

    @property
    def row_kb(self) -> float:
        """Of one report without its log."""
        return self.of("rows and indexes of a report") + self.of("record octets of a report")

    def gigabytes(self, days: float, kb: float, share: float = 1.0) -> float:
        """Of what so many days bring, so much of each report, of a share of them."""
        return self.reports_a_day * share * days * kb / 1e6

    @property
    def stored(self) -> dict[str, float]:
        """Gigabytes of one copy once the periods are full."""
        log, failing = self.of("log octets of a report, compressed"), self.of("share of boots that fail")
        return {
            "rows": self.gigabytes(self.of("rows are kept"), self.row_kb),
            "logs of failures": self.gigabytes(self.of("logs of failures are kept"), log, failing),
            "logs of successes": self.gigabytes(self.of("logs of successes are kept"), log, 1 - failing),
        }

    @property
    def site_kb_a_day(self) -> float:
        """Over the line of one site to the hubs."""
        return self.reports_a_day / self.of("sites") * self.of("wire octets of a report passed on")


def everything() -> dict[str, Figure]:
    """All figures, with those that the pages in docs/ say."""
    ingest, scale = ((DOCS / name).read_text(encoding="utf-8") for name in (INGEST, SCALE))
    return {**FIGURES, **measured(ingest, scale)}
