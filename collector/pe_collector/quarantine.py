"""What did a token send that nobody should see? Its reports go out of every table into ones that no question reads.

Every table with a report_id is emptied of them, so a question, a view or a page that is written later cannot forget to
leave them out; lifting the quarantine brings every row back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pe_agent.errors import UsageError
from pe_protos.v1 import report_pb2 as pb

from pe_collector.connection import Connection, Cursor
from pe_collector.identity import remake_machine
from pe_collector.store.blobs import index_blobs
from pe_collector.store.catalog import columns_of, table_names
from pe_collector.store.derived import choose_speakers
from pe_collector.store.rates import mark_reports
from pe_collector.tokens import no_such_token

HIDDEN = "quarantined_"
# The lines of logs are found again from the logs themselves.
_NOT_MOVED = frozenset({"hidden_report", "log_line", "log_waiting"})
_AT_ONCE = 200


def hide(connection: Connection, token_id: str, since_s: float, now_s: float) -> int:
    """Hide all reports of which the token sent anything since then, and take no more with it; how many there were.

    Commits by and by, so that reports can come in meanwhile; what was interrupted goes on when it is called again.

    Raises:
        UsageError: there is no such token.
    """
    with _committing(connection):
        if connection.execute("SELECT 1 FROM token WHERE token_id=?", (token_id,)).fetchone() is None:
            raise no_such_token(token_id)
        connection.execute(
            "INSERT INTO quarantine VALUES (?,?,?,NULL) ON CONFLICT DO NOTHING", (token_id, now_s, since_s)
        )
    question = "SELECT report_id FROM report WHERE token_id=? AND last_frame_at>=? LIMIT ?"
    hidden = 0
    while report_ids := _column(connection.execute(question, (token_id, since_s, _AT_ONCE))):
        with _committing(connection):
            places = _places(connection, report_ids)
            mark_reports(connection, report_ids)
            connection.executemany("INSERT INTO hidden_report VALUES (?,?)", [(r, token_id) for r in report_ids])
            for table in _tables(connection):
                _move(connection, table, _shadow(connection, table), report_ids)
            for table in _NOT_MOVED - {"hidden_report"}:
                _delete(connection, table, report_ids)
            _settle(connection, places)
        hidden += len(report_ids)
    return hidden


def lift(connection: Connection, token_id: str, now_s: float) -> int:
    """Show again what was hidden of this token, and take reports with it; how many there were.

    Raises:
        UsageError: the token is not in quarantine.
    """
    with _committing(connection):
        change = "UPDATE quarantine SET lifted=? WHERE token_id=? AND lifted IS NULL"
        lifted = connection.execute(change, (now_s, token_id)).rowcount
        question = "SELECT report_id FROM hidden_report WHERE token_id=? LIMIT ?"
        if not (lifted or connection.execute(question, (token_id, 1)).fetchone()):
            raise UsageError(f"token {token_id!r} is not in quarantine; `pe-collector tokens list` shows which are")
    shown = 0
    while report_ids := _column(connection.execute(question, (token_id, _AT_ONCE))):
        with _committing(connection):
            for table in _tables(connection):
                _move(connection, _shadow(connection, table), table, report_ids)
            _delete(connection, "hidden_report", report_ids)
            mark_reports(connection, report_ids)
            waiting = [(report_id, now_s) for report_id in report_ids]
            connection.executemany("INSERT INTO log_waiting VALUES (?,?) ON CONFLICT DO NOTHING", waiting)
            _settle(connection, _places(connection, report_ids))
        shown += len(report_ids)
    return shown


def _tables(connection: Connection) -> list[str]:
    return [
        name
        for name in table_names(connection)
        if not name.startswith(HIDDEN) and name not in _NOT_MOVED and "report_id" in columns_of(connection, name)
    ]


def _shadow(connection: Connection, table: str) -> str:
    """The table that holds the hidden rows; a later version may have given the real one more columns."""
    shadow = HIDDEN + table
    # Names of tables and columns are those of our own schema, here and below.
    connection.execute(f'CREATE TABLE IF NOT EXISTS "{shadow}" AS SELECT * FROM "{table}" WHERE 1=0')  # noqa: S608
    for column, kind in columns_of(connection, table).items():
        if column not in columns_of(connection, shadow):
            connection.execute(f'ALTER TABLE "{shadow}" ADD COLUMN "{column}" {kind}')
    connection.execute(f'CREATE INDEX IF NOT EXISTS "{shadow}_by_report" ON "{shadow}" (report_id)')
    index_blobs(connection, shadow)
    return shadow


def _move(connection: Connection, source: str, target: str, report_ids: Sequence[str]) -> None:
    known = columns_of(connection, target)
    shared = [name for name in columns_of(connection, source) if name in known]
    names = ", ".join(f'"{name}"' for name in shared)
    connection.execute(
        f'INSERT INTO "{target}" ({names}) SELECT {names} FROM "{source}" '  # noqa: S608
        "WHERE report_id IN (SELECT value FROM json_each(?))",
        (json.dumps(report_ids),),
    )
    _delete(connection, source, report_ids)


def _delete(connection: Connection, table: str, report_ids: Sequence[str]) -> None:
    wanted = (json.dumps(report_ids),)
    connection.execute(f'DELETE FROM "{table}" WHERE report_id IN (SELECT value FROM json_each(?))', wanted)  # noqa: S608


def _places(connection: Connection, report_ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """Machines and boots of these reports."""
    rows = connection.execute(
        "SELECT machine_id, boot_key FROM json_each(?) CROSS JOIN report ON report_id=value", (json.dumps(report_ids),)
    ).fetchall()
    return {row[0] for row in rows}, {row[1] for row in rows}


def _settle(connection: Connection, places: tuple[set[str], set[str]]) -> None:
    """What is known of machines and boots by the reports that are there now; patterns are looked for anew."""
    machine_ids, boot_keys = places
    for machine_id in sorted(machine_ids):
        hellos = connection.execute(
            "SELECT octets, received_at FROM report JOIN frame USING (report_id) WHERE machine_id=? AND sequence=0 "
            "ORDER BY received_at, report_id",
            (machine_id,),
        )
        told = [(pb.Frame.FromString(row[0]).hello.identity, row[1]) for row in hellos]
        remake_machine(connection, machine_id, told)
    choose_speakers(connection, boot_keys)
    connection.execute("DELETE FROM pattern_look")


@contextmanager
def _committing(connection: Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _column(rows: Cursor) -> list[str]:
    return [row[0] for row in rows]
