"""The same on Citus, for who has one: PE_CITUS names a coordinator's database that may be written to.

Rows of reports are distributed by the report, the small tables are copied to every worker.
"""

import os

import pytest
from pe_collector.store.engines import ENGINES
from pe_collector.store.store import Store
from pe_collector.store.where import VARIABLE, parse_store

from tests.store.hub import AT_ONCE, FRAMES, batch_of
from tests.store.test_keys import BY_ADDRESS, OF_REPORTS, REFERENCE

CITUS = os.environ.get("PE_CITUS", "")
pytestmark = pytest.mark.skipif(not CITUS, reason="PE_CITUS names no Citus coordinator (postgresql://...)")


def test_reports_are_distributed_and_stored_once(tmp_path, monkeypatch):
    import psycopg

    monkeypatch.setenv(VARIABLE, CITUS)
    place = parse_store(CITUS)
    ENGINES[place.engine].create(place.name)
    with psycopg.connect(CITUS, autocommit=True) as connection:
        there = {
            str(row[0]) for row in connection.execute("SELECT logicalrelid::regclass::text FROM pg_dist_partition")
        }
        for name in sorted(set(OF_REPORTS) - there):
            connection.execute("SELECT create_distributed_table(%s, 'report_id')", (name,))
        for name in sorted(BY_ADDRESS - there):
            connection.execute("SELECT create_distributed_table(%s, 'address')", (name,))
        for name in sorted(REFERENCE - there - {"audit"}):
            connection.execute("SELECT create_reference_table(%s)", (name,))
    (tmp_path / "data").mkdir()
    batch = batch_of(int.from_bytes(os.urandom(6), "big"))
    with Store(tmp_path / "data") as opened:
        assert opened.put_batch(batch) == opened.put_batch(batch)
    with psycopg.connect(CITUS) as connection:
        asked = "SELECT count(*) FROM frame WHERE report_id=ANY(%s)"
        ids = [arrived.report_id for arrived, _ in batch]
        assert connection.execute(asked, (ids,)).fetchone()[0] == AT_ONCE * (FRAMES + 1)
