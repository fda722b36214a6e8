"""Do the ops screen's questions read an index, not every report?"""

import time

import pytest
import sqlalchemy as sa
from pe_collector import questions
from pe_collector.questions.asking import LIMIT
from pe_collector.questions.contract import Asked
from pe_collector.questions.filters import parse_filters
from sqlalchemy import event

# What a screen asks again and again, and what a click on it asks.
ASKED = {
    "deploying": {"since": "30m"},
    "subnets": {"since": "24h"},
    "switches": {"since": "24h"},
    "images": {"since": "24h"},
    "servers": {"since": "24h"},
    "nics": {"since": "24h"},
    "slow": {"since": "24h"},
    "delivery": {"since": "24h"},
    "probes": {"since": "24h"},
    "machines": {"since": "24h"},
    "machine": {"machine": "DEMO000001"},
    "timeline": {"boot": "DEMO000001"},
    "logs": {"words": "session"},
}
BIG = (
    "report",
    "observation",
    "event",
    "finding",
    "frame",
    "log_chunk",
    "log_line",
    "machine",
    "machine_mark",
    "server_event",
)


def plans(fleet, name, words):
    """(statement, its plan) of everything a question asks."""
    told = []
    with questions.connected(fleet.data) as connection:
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _c, _cursor, statement, parameters, *_: told.append((statement, parameters)),
        )
        questions.ask(connection, questions.question_named(name), words, fleet.now_s)
        asked = list(told)
        found = []
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            found.append((statement, [row[3] for row in rows]))
    return found


@pytest.mark.parametrize("name", ASKED)
def test_no_question_of_the_screen_reads_a_whole_table(seeded, name):
    found = plans(seeded, name, ASKED[name])
    assert found
    for statement, plan in found:
        scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in (*BIG, "r", "other")]
        # Going through an index in the order of time, newest first, ends with the limit.
        scans = [step for step in scans if "machine_by_time" not in step]
        assert not scans, (statement, plan)


def test_the_search_for_plans_would_see_a_scan(seeded):
    found = plans(seeded, "subnets", {"since": "52w", "subnet": "10.10.0.0/16"})
    assert any("INDEX" in step for _, plan in found for step in plan)
    with questions.connected(seeded.data) as connection:
        rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN SELECT * FROM report WHERE title='x'").fetchall()
    assert rows[0][3].startswith("SCAN report")


def test_a_select_is_the_same_for_another_engine(seeded, words):
    """Core compiles for PostgreSQL too: nothing of SQLite's own is in the questions but the full-text search."""
    from sqlalchemy.dialects import postgresql

    compiled = 0
    with questions.connected(seeded.data) as connection:
        for question in questions.QUESTIONS:
            if question.select is None or question.name == "logs":
                continue
            parameters = {p.name: p.default for p in (*question.parameters, LIMIT)}
            asked = Asked(
                connection,
                parse_filters({"since": "2h"}, "", time.time()),
                parameters | words.get(question.name, {}),
                0.0,
            )
            text = str(question.select(asked).limit(1).compile(dialect=postgresql.dialect()))
            assert "json_each" not in text
            assert "rowid" not in text
            compiled += isinstance(question.select(asked), sa.Select)
    assert compiled >= 8
