"""A question that takes PostgreSQL too long is given up with a word of what to do."""

import pytest
import sqlalchemy as sa
from pe_agent.errors import UsageError
from pe_collector import store
from pe_collector.questions import Column, Question, ask, connected


def sleeping(_asked):
    return sa.select(sa.func.pg_sleep(20).label("slept"))


SLOW = Question(name="slow-one", title="", summary="", columns=(Column("slept"),), select=sleeping)


@pytest.fixture
def on_postgresql(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("PE_COLLECTOR_STORE", cluster.new_database())
    (tmp_path / "data").mkdir()
    store.create(tmp_path / "data")
    return tmp_path / "data"


def test_what_takes_too_long_says_so_and_what_to_do(on_postgresql):
    with connected(on_postgresql) as connection:
        connection.exec_driver_sql("SET statement_timeout = '50ms'")
        with pytest.raises(UsageError, match=r"^slow-one: no answer within 60 s; ask for less.*export --parquet"):
            ask(connection, SLOW, {})
