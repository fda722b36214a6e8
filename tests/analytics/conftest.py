"""A collector with the same small fleet for each test."""

import shutil
from pathlib import Path

import pytest
from pe_collector.simulated import filling

NOW = 1_763_000_000.0


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("fleet") / "data"
    folder.mkdir()
    assert filling.fill(folder, NOW, boots=240) == 240
    return folder


@pytest.fixture
def data(fleet: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fleet, tmp_path / "data"))
