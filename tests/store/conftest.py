"""Each test gets an empty store of each engine, by name in the environment as `--store` puts it there."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pe_collector import store
from pe_collector.store.engines import ENGINES
from pe_collector.store.where import POSTGRESQL, SQLITE, VARIABLE

from tests.store.cluster import Cluster, programs
from tests.store.hours import NOW, come, fold_now


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("psycopg")
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    # The path of a socket is short, so pytest's own folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="pe-pg-"))
    made = Cluster(folder).make().start()
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=sorted(ENGINES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store can be made."""
    return url_of(request, tmp_path, request.param)


def url_of(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> str:
    if engine == SQLITE:
        return f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    assert engine == POSTGRESQL
    made: Cluster = request.getfixturevalue("cluster")
    return made.new_database()


@pytest.fixture
def folder(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collector's folder whose rows are in that store."""
    monkeypatch.setenv(VARIABLE, url)
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def counted_hours(folder):
    """Three days of boots on each engine, those that are over counted."""
    with closing(store.open_writer(store.create(folder))) as connection:
        for number in range(1, 40):
            come(connection, number, NOW - number * 6000.0, "fault" if number % 4 == 0 else "healthy", number % 3, 5040)
        assert fold_now(connection, NOW) > 0
        yield connection
