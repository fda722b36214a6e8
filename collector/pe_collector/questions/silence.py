"""Which machines did the servers see booting that never reported?"""

from __future__ import annotations

from collections.abc import Iterator

from pe_collector.connection import Connection
from pe_collector.questions.contract import Asked, Column, Question, Row, Unit
from pe_collector.questions.filters import keeps
from pe_collector.server_side import silent_machines
from pe_collector.sites import site_of

OUTCOME = "silent"


def _silence(asked: Asked) -> Iterator[Row]:
    until_s = asked.filters.until_s
    with asked.bare() as connection:
        for silent in silent_machines(connection, asked.filters.since_s or 0.0):
            row = {
                **silent,
                "site": site_of(connection, silent["ip"]),
                "outcome": OUTCOME,
                **_known(connection, silent),
            }
            if (until_s is None or row["booted"] < until_s) and keeps(row, asked.filters):
                yield row


def _known(connection: Connection, silent: Row) -> Row:
    """What other boots of the same adapter tell about the machine."""
    found = connection.execute(
        "SELECT machine_id, model FROM machine_mark JOIN machines USING (machine_id) WHERE kind='mac' AND value=?",
        (silent["mac"],),
    ).fetchone()
    return {"machine_id": found["machine_id"], "model": found["model"]} if found else {}


SILENCE = Question(
    name="silence",
    title="Silence",
    summary="Machines that a WDS server saw booting and that never reported: how far each one came.",
    columns=(
        Column("mac"),
        Column("ip"),
        Column("booted", Unit.TIME, "the first step the server logged"),
        Column("last_seen", Unit.TIME, "the last step the server logged"),
        Column("how_far", meaning="in words"),
        Column("events", meaning="numbers of the server's events"),
        Column("site"),
        Column("machine_id", meaning="of an earlier boot of the same adapter"),
        Column("model", meaning="of an earlier boot of the same adapter"),
        Column("outcome", meaning="always silent"),
    ),
    rows=_silence,
)
