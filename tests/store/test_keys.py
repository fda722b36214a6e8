"""Rows of a report lie together: its id is in every key of theirs, so that a database can be cut by it."""

import pytest
from pe_collector.store.tables import TABLES

# What does not belong to one report; small, and the same on every machine of a cluster.
REFERENCE = {
    *("machine", "machine_mark", "clash", "token", "quarantine", "audit", "refusal", "site_prefix", "server_event"),
    *("pattern", "pattern_event", "pattern_mark", "pattern_look", "change", "alert", "alert_channel", "forward_loss"),
    *("forward_on", "rate_hour", "rate_site_hour", "rate_subnet_day", "rate_port_day"),
    *("rate_prefix_hour", "rate_delivery_hour"),
}
# One content of many reports: by its own hash.
BY_ADDRESS = {"log_blob"}
OF_REPORTS = sorted(set(TABLES.tables) - REFERENCE - BY_ADDRESS)


def test_every_table_is_named_here_or_belongs_to_reports():
    assert set(TABLES.tables) >= REFERENCE | BY_ADDRESS
    assert "report" in OF_REPORTS


@pytest.mark.parametrize("name", OF_REPORTS)
def test_the_key_begins_with_the_report(name):
    assert next(iter(TABLES.tables[name].primary_key)).name == "report_id"


@pytest.mark.parametrize("name", sorted(REFERENCE | BY_ADDRESS))
def test_what_is_no_reports_names_none(name):
    assert "report_id" not in TABLES.tables[name].columns


@pytest.mark.parametrize("name", sorted(TABLES.tables))
def test_keys_are_natural(name):
    """Nothing is numbered by the database: a row is the same row wherever it is."""
    keys = TABLES.tables[name].primary_key
    assert all(column.autoincrement is not True and column.server_default is None for column in keys)
    assert name == "audit" or len(keys)


def test_on_postgresql_too_no_key_leaves_the_report_out(cluster):
    import psycopg
    from pe_collector.store.engines import ENGINES
    from pe_collector.store.where import parse_store

    place = parse_store(cluster.new_database())
    ENGINES[place.engine].create(place.name)
    asked = (
        "SELECT i.indrelid::regclass::text, array_agg(a.attname) FROM pg_index i JOIN pg_attribute a "
        "ON a.attrelid=i.indrelid AND a.attnum=ANY(i.indkey) JOIN pg_class c ON c.oid=i.indrelid "
        "WHERE i.indisunique AND c.relnamespace='public'::regnamespace GROUP BY i.indexrelid, i.indrelid"
    )
    with psycopg.connect(place.name) as connection:
        unique = connection.execute(asked).fetchall()
        foreign = connection.execute("SELECT count(*) FROM pg_constraint WHERE contype='f'").fetchone()[0]
    assert foreign == 0
    assert {table for table, _ in unique} >= set(OF_REPORTS)
    assert [(table, columns) for table, columns in unique if table in OF_REPORTS and "report_id" not in columns] == []
