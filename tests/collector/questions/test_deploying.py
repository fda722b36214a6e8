"""Of very many machines those that failed are shown first, then those last heard, however few are shown."""

STATES = {"failed": 0}


def rank(row):
    return STATES.get(row["state"], 1), -row["last_seen"]


def test_those_that_failed_come_first_and_then_the_last_heard(seeded):
    rows = seeded.rows("deploying", since="24h", limit=5000)
    assert {row["state"] for row in rows} >= {"failed", "ok", "running"}
    assert rows == sorted(rows, key=rank)


def test_few_rows_are_the_first_of_many(seeded):
    whole = seeded.rows("deploying", since="24h", limit=5000)
    answer = seeded.ask("deploying", since="24h", limit=7)
    assert answer.cut
    assert [dict(row) for row in answer.rows] == whole[:7]


def test_a_machine_has_one_row_of_its_newest_boot(seeded):
    rows = seeded.rows("deploying", since="24h", limit=5000)
    assert len({row["machine_id"] for row in rows}) == len(rows)
    for row in rows[:20]:
        newest = seeded.rows("machine", machine=row["machine_id"])[0]
        assert row["report_id"] == newest["report_id"]
