"""What is still to be told, and to whom? Rows of the store; each function is a step inside somebody's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pe_collector.connection import Connection, Row
from pe_collector.findings.marks import marked, marks_of

FIRST_WAIT_S, LONGEST_WAIT_S = 10.0, 3600.0
GIVE_UP_S = 3 * 86400.0
_MOST_AT_ONCE = 50
_TOLD = ("opened", "worsened", "ended")


@dataclass(frozen=True, slots=True)
class Due:
    """One alert for one channel; `alert` is what it says."""

    key: tuple[str, float, str, str]
    attempts: int
    muted: bool
    alert: dict[str, object]

    @property
    def channel(self) -> str:
        """Whom to tell."""
        return self.key[3]


def enqueue(connection: Connection, channels: Sequence[str], now_s: float) -> None:
    """A row for each event and channel since the channel was first configured. What is there stays as it is."""
    connection.executemany(
        "INSERT INTO alert_channel VALUES (?,?) ON CONFLICT DO NOTHING", [(name, now_s) for name in channels]
    )
    for name in channels:
        connection.execute(
            "INSERT INTO alert (pattern_id, at_s, state, channel, next_at) "
            "SELECT pattern_id, at_s, state, channel, ? FROM pattern_event CROSS JOIN alert_channel "
            "WHERE channel=? AND at_s>=since AND state IN (SELECT value FROM json_each(?)) ON CONFLICT DO NOTHING",
            (now_s, name, json.dumps(_TOLD)),
        )


def due(connection: Connection, channels: Sequence[str], now_s: float) -> list[Due]:
    """Alerts whose time has come, the oldest event first."""
    rows = connection.execute(
        "SELECT alert.*, pattern_event.sentence, pattern.document FROM alert "
        "JOIN pattern_event USING (pattern_id, at_s, state) JOIN pattern USING (pattern_id) "
        "WHERE settled_at IS NULL AND next_at<=? AND channel IN (SELECT value FROM json_each(?)) "
        "ORDER BY at_s, pattern_id LIMIT ?",
        (now_s, json.dumps(list(channels)), _MOST_AT_ONCE),
    ).fetchall()
    marks = marks_of(connection) if rows else {}
    return [_due(row, marked(json.loads(row["document"]), marks.get(row["pattern_id"], ()), now_s)) for row in rows]


def _due(row: Row, document: dict[str, object]) -> Due:
    machines = document["machines"]
    alert = {
        "id": f"{row['pattern_id']}-{row['at_s']:.3f}-{row['state']}",
        "event": row["state"],
        "at_s": row["at_s"],
        "pattern_id": row["pattern_id"],
        "title": document["label"] or document["title"],
        "sentence": row["sentence"],
        "machines": len(machines) if isinstance(machines, list) else 0,
        "conditions": document["conditions"],
        "onset": document["onset"],
        "ended": document["ended"],
    }
    key = (row["pattern_id"], row["at_s"], row["state"], row["channel"])
    return Due(key, row["attempts"], bool(document["muted"]), alert)


def settle(connection: Connection, key: tuple[str, float, str, str], outcome: str, now_s: float) -> None:
    """It is over: told, or muted."""
    connection.execute(
        "UPDATE alert SET settled_at=?, outcome=?, attempts=attempts+CASE WHEN ?='told' THEN 1 ELSE 0 END, error='' "
        "WHERE pattern_id=? AND at_s=? AND state=? AND channel=?",
        (now_s, outcome, outcome, *key),
    )


def postpone(connection: Connection, one: Due, error: str, now_s: float) -> None:
    """It was not taken: later again, each time after a longer wait; after three days never."""
    given_up = now_s - one.key[1] > GIVE_UP_S
    connection.execute(
        "UPDATE alert SET attempts=attempts+1, next_at=?, error=?, settled_at=?, outcome=? "
        "WHERE pattern_id=? AND at_s=? AND state=? AND channel=?",
        (
            now_s + wait_s(one.attempts),
            error[:500],
            now_s if given_up else None,
            "given-up" if given_up else "waiting",
            *one.key,
        ),
    )


def wait_s(attempts: int) -> float:
    """Seconds until the next try after so many before this one."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts, 20))
