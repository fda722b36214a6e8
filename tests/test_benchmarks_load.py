"""Does every benchmark find what it measures? They run seldom, so a name that moved is not met otherwise."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The other methods of correlation need a dependency group of their own.
APART = {"benchmarks.correlation.methods"}
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "benchmarks").rglob("*.py")
)


@pytest.mark.parametrize("module", [name for name in MODULES if name not in APART])
def test_a_benchmark_finds_what_it_measures(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [module])
    assert importlib.import_module(module)
