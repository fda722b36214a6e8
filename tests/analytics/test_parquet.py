"""What is exported is what is stored, day by day; what did not change is not written again."""

import json
import math
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from pe_collector import quarantine
from pe_collector.analytics import duck
from pe_collector.analytics.parquet import FILE, MANIFEST, Exported, export
from pe_collector.store import FILE_NAME, open_reader, open_writer
from pe_collector.store.views import VIEWS
from pe_collector.upkeep.prune import Keep, prune

from tests.analytics.conftest import NOW

DAY = 86400.0
# What a text of a machine can hold.
NASTY = ("", "NUL \0 here", "'quoted' \"twice\"", "two\r\nlines", "\\N", "NULL", "{'a': 1}", "\N{SNOWMAN}\U0001f600")


def exported(data: Path, since_s: float = 0.0) -> Exported:
    return export(data, data / "history", since_s, math.inf)


def stored(data: Path, query: str) -> list[tuple[object, ...]]:
    with closing(open_reader(data / FILE_NAME)) as connection:
        return [tuple(row) for row in connection.execute(query)]


def changed(data: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(data / FILE_NAME)) as connection, connection:
        connection.execute(statement, values)


def kept(data: Path, query: str) -> list[tuple[object, ...]]:
    return list(duck.ask_sql(data / "history", query, {}, rows=100_000).rows)


def all_rows(data: Path, table: str) -> tuple[list[object], list[object]]:
    names = ", ".join(VIEWS.tables[table].columns.keys())
    query = f"SELECT {names} FROM {table} ORDER BY ALL"
    before = stored(data, query.replace("ORDER BY ALL", ""))
    return sorted(before, key=repr), sorted(kept(data, query), key=repr)


@pytest.mark.parametrize("table", sorted(VIEWS.tables))
def test_every_documented_view_has_the_same_rows(data, table):
    exported(data)
    before, after = all_rows(data, table)
    assert before
    assert after == before


def test_every_text_comes_out_as_it_went_in(data):
    names = [row[0] for row in stored(data, "SELECT report_id FROM report ORDER BY report_id LIMIT 9")]
    for report_id, text in zip(names, NASTY, strict=False):
        changed(data, "UPDATE report SET title=?, site=? WHERE report_id=?", text, text, report_id)
    changed(data, "UPDATE report SET site=NULL, link_to_address_s=NULL WHERE report_id=?", names[8])
    exported(data)
    before, after = all_rows(data, "reports")
    assert after == before


def test_what_did_not_change_is_not_written_again(data):
    first = exported(data)
    written = {path: path.stat().st_mtime_ns for path in (data / "history").rglob("*.parquet")}
    assert first.unchanged == 0
    assert exported(data) == Exported(0, first.written, 0)
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_report_that_comes_late_changes_its_day_only(data):
    exported(data)
    days = sorted({row[0] for row in kept(data, "SELECT day FROM reports")})
    assert len(days) == 2, "the fleet's day spans two"
    changed(data, "UPDATE report SET title='late' WHERE report_id=(SELECT report_id FROM report ORDER BY received_at)")
    # The report and, in `boots`, the boot it speaks for.
    assert exported(data).written == 2
    assert kept(data, "SELECT DISTINCT day FROM reports WHERE title='late'") == [(days[0],)]


def test_only_the_days_of_the_period_are_exported(data):
    done = exported(data, since_s=NOW)
    assert done.written
    assert kept(data, f"SELECT count(*) FROM reports WHERE received_at<{NOW // DAY * DAY}") == [(0,)]
    assert kept(data, "SELECT count(*)>0 FROM reports") == [(True,)]


def test_what_is_pruned_stays_and_what_is_hidden_goes(data):
    changed(data, "INSERT INTO token VALUES ('t1','x','one',0,9e9,NULL,NULL,NULL,'ingest')")
    changed(data, "UPDATE report SET token_id='t1' WHERE outcome='fault'")
    exported(data)
    (reports,), (faults,) = stored(data, "SELECT count(*) FROM report GROUP BY token_id='t1' ORDER BY 1 DESC")
    reports += faults
    observations = kept(data, "SELECT count(*) FROM observations WHERE outcome='ok'")
    with closing(open_writer(data / FILE_NAME)) as connection:
        assert quarantine.hide(connection, "t1", 0.0, NOW) == faults > 0
    exported(data)
    assert kept(data, "SELECT count(*) FROM reports") == [(reports - faults,)]
    prune(data, Keep(*[DAY] * len(fields(Keep))), NOW + 30 * DAY, lambda seconds: None)
    assert stored(data, "SELECT count(*) FROM report") == [(0,)]
    assert exported(data).written
    assert kept(data, "SELECT count(*) FROM reports") == [(reports - faults,)]
    assert kept(data, "SELECT count(*) FROM boots WHERE outcome='fault'") == [(0,)]
    assert kept(data, "SELECT count(*)>0 FROM machines") == [(True,)]
    assert kept(data, "SELECT count(*) FROM observations WHERE outcome='ok'") < observations


def test_an_export_that_was_killed_goes_on(data):
    out = data / "history"
    told = ["export", "--data", str(data), "--parquet", str(out)]
    with subprocess.Popen([sys.executable, "-m", "pe_collector", *told]) as process:
        until = time.monotonic() + 60
        while len(list(out.rglob(FILE))) < 3 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    there = len(list(out.rglob(FILE)))
    assert there >= 3
    done = exported(data)
    assert done.unchanged >= there - 1, "at most the file whose row in the manifest was not there yet"
    for table in VIEWS.tables:
        before, after = all_rows(data, table)
        assert after == before, table


def test_the_manifest_counts_the_rows_of_each_file(data):
    exported(data)
    told = json.loads((data / "history" / MANIFEST).read_text())["tables"]
    for table, days in told.items():
        for day, said in days.items():
            where = f" WHERE day='{day}'" if day else ""
            assert kept(data, f"SELECT count(*) FROM {table}{where}") == [(said["rows"],)]


def test_nobody_else_may_read_the_files(data):
    exported(data)
    modes = {path.stat().st_mode & 0o077 for path in (data / "history").rglob("*")}
    assert modes == {0}


def test_days_that_were_exported_before_a_view_got_a_column_are_still_read(data):
    exported(data)
    history = data / "history"
    days = sorted((history / "reports").glob("day=*"))
    old = days[0] / FILE
    with closing(duck.duckdb().connect()) as writer:
        writer.execute(f"CREATE TABLE old AS SELECT * EXCLUDE (day, token_id) FROM '{old}'")
        writer.execute(f"COPY old TO '{old}' (FORMAT parquet)")
    manifest = json.loads((history / MANIFEST).read_text())
    manifest["tables"]["reports"][days[0].name.removeprefix("day=")]["columns"] -= 1
    (history / MANIFEST).write_text(json.dumps(manifest))
    (count,) = stored(data, "SELECT count(*) FROM reports")[0]
    assert kept(data, "SELECT count(*), count(token_id) < count(*) FROM reports") == [(count, True)]
