"""The model on paper says what its figures say."""

from dataclasses import replace

import pytest

from benchmarks.scale.figures import DOCS, FIGURES, Fleet, everything
from benchmarks.scale.paper import page


def changed(name: str, value: float) -> Fleet:
    figures = everything()
    return Fleet({**figures, name: replace(figures[name], value=value)})


def test_the_page_is_what_the_model_prints():
    told = "made from other figures: run `python -m benchmarks.scale.paper --out docs/scale-model.md`"
    assert (DOCS / "scale-model.md").read_text(encoding="utf-8") == page(everything()), told


def test_every_figure_says_where_it_is_from():
    for name, figure in everything().items():
        assert (
            figure.source.startswith(("measured", "assumed", "price", "the fleet"))
            or "docs/" in figure.source
            or ("assumed" in figure.source)
        ), name


def test_a_day_of_a_million_boots_is_twelve_a_second():
    fleet = Fleet(everything())
    assert fleet.reports_a_day == 1_000_000
    assert fleet.rates["mean"] == pytest.approx(11.57, abs=0.01)
    assert fleet.rates["storm"] == 250.0
    assert fleet.rates["after a blackout"] == pytest.approx(277.8, abs=0.1)


def test_keeping_rows_longer_takes_room_for_rows_only():
    short, long = Fleet(everything()), changed("rows are kept", FIGURES["rows are kept"].value * 2)
    assert long.stored["rows"] == pytest.approx(2 * short.stored["rows"])
    assert long.stored["logs of failures"] == short.stored["logs of failures"]


def test_measured_figures_come_from_the_pages():
    figures = everything()
    ingest = (DOCS / "benchmarks-ingest.md").read_text(encoding="utf-8")
    row = next(line for line in ingest.splitlines() if line.startswith("| collector | forward | 2 "))
    assert f"| {figures['a report passed on by a leaf'].value:.2f} |" in row
