"""How do patterns stand since the last look? The same id while they last; opened, worsened, recovering, ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from pe_collector.connection import Connection, Row
from pe_collector.engine.live import Live, State, follow
from pe_collector.findings.changes import read_changes
from pe_collector.findings.documents import document_of
from pe_collector.findings.filters import Filters
from pe_collector.findings.look import Look
from pe_collector.findings.pattern import Pattern
from pe_collector.findings.stages import same_class
from pe_collector.findings.window import look
from pe_collector.prefixes import parse_prefix

# A pattern whose conditions have changed is still the same when so much of its machines is.
_SAME_MACHINES = 0.5
# A pattern is recovering for so long after its first good boot, then it has ended.
RECOVERS_S = 3600.0
# A report goes on for a while after it was begun; older ones need not be asked for their newest frame.
_BEARS_ON = (
    "SELECT max(received_at) FROM report",
    "SELECT max(last_frame_at) FROM report WHERE received_at >= (SELECT max(received_at) FROM report) - 7200",
    "SELECT max(arrived_at) FROM forwarded",
    "SELECT count(*) FROM server_event",
    "SELECT max(noted_at) || '/' || count(*) FROM change",
    "SELECT count(*) || '/' || count(lifted) FROM quarantine",
    "SELECT count(*) FROM site_prefix",
)
Step = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Known:
    """A pattern as it is followed: its document, and what following needs of it."""

    id: str
    document: Mapping[str, Any]
    ended_s: float | None
    machines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """What one look found, ready to be stored: documents by id with the state of each, and what was there."""

    at_s: float
    seen: str
    boots: int
    live: Mapping[str, Live[Known]]


def correlate(connection: Connection, now_s: float) -> Noted:
    """Look at all that is stored and say how each pattern stands beside the last look."""
    there = what_is_there(connection)
    return note(connection, look(connection, Filters()), now_s, there)


def note(connection: Connection, seen: Look, now_s: float, what: str) -> Noted:
    """The patterns of a look beside those of the last one."""
    before = stored(connection)
    changes = read_changes(connection)

    def said(pattern: Pattern) -> Known:
        document = document_of(pattern, seen.seen, changes, whole_since_s=seen.whole_since_s)
        return _known(document, pattern.ended_s)

    patterns = [*zip(seen.patterns, _with_old_ids([*map(said, seen.patterns)], before), strict=True)]
    now = [_as_it_began(known, pattern, before.get(known.id), seen.whole_since_s, said) for pattern, known in patterns]
    there = _still_there(connection, seen, before)
    lasting = {name: live for name, live in before.items() if _is_there(live.cause, there, now)}
    live = {name: _by_the_clock(one, now_s) for name, one in follow(lasting, now).items()}
    return Noted(now_s, what, len(seen.seen.places), live)


def _as_it_began(
    known: Known, pattern: Pattern, last: Live[Known] | None, whole_since_s: float, said: Callable[[Pattern], Known]
) -> Known:
    """The pattern with the onset that it had while all reports around that were looked at: a sample knows less."""
    if last is None or last.state is State.ENDED or last.cause.ended_s is not None:
        return known
    began = last.cause.document
    onset_s, after_s = (_seconds(began[name]) for name in ("onset", "onset_after"))
    if onset_s is None or onset_s >= whole_since_s:
        return known
    if pattern.onset_s is not None and pattern.onset_s <= onset_s:
        return known
    again = said(replace(pattern, onset_s=onset_s, onset_after_s=after_s))
    evidence = [*began["evidence"][:-1], again.document["evidence"][-1]]
    return replace(again, id=known.id, document={**again.document, "id": known.id, "evidence": evidence})


def _seconds(at: str | None) -> float | None:
    return None if at is None else datetime.fromisoformat(at).timestamp()


def _still_there(connection: Connection, seen: Look, before: Mapping[str, Live[Known]]) -> frozenset[str]:
    """Those of the latest boots of the last look's patterns that are neither removed nor hidden."""
    if not before:
        return frozenset()
    silent = np.flatnonzero(seen.seen.silences >= 0)
    names = json.dumps([_latest(live.cause) for live in before.values()])
    rows = connection.execute("SELECT report_id FROM json_each(?) CROSS JOIN report ON report_id=value", (names,))
    return frozenset((*(row[0] for row in rows), *(boot.report_id for boot in seen.seen.boots_at(silent))))


def storing(noted: Noted, *, served: bool = False) -> Step:
    """What stores it: a step for the one who writes. A look older than the stored one changes nothing.

    `served`: it comes from a collector that looks again by itself.
    """

    def step(connection: Connection) -> None:
        last = connection.execute("SELECT at_s FROM pattern_look").fetchone()
        if last is not None and last["at_s"] > noted.at_s:
            return
        before = stored(connection)
        gone = {name: replace(live, state=State.ENDED) for name, live in before.items() if name not in noted.live}
        for name, live in {**gone, **noted.live}.items():
            _store(connection, live, before.get(name), noted.at_s)
        connection.execute(
            "INSERT INTO pattern_look VALUES ('latest',?,?,?,?) ON CONFLICT (look) DO UPDATE SET "
            "at_s=excluded.at_s, seen=excluded.seen, boots=excluded.boots, served=excluded.served",
            (noted.at_s, noted.seen, noted.boots, served),
        )

    return step


def noted_to_json(noted: Noted) -> str:
    """A look as text, for another process."""
    live = [
        {"state": one.state, "announced": one.machines, "ended_s": one.cause.ended_s, "document": one.cause.document}
        for one in noted.live.values()
    ]
    return json.dumps({"at_s": noted.at_s, "seen": noted.seen, "boots": noted.boots, "live": live})


def noted_from_json(text: str) -> Noted:
    """What `noted_to_json` made.

    Raises:
        ValueError: it is something else.
    """
    made = json.loads(text)
    live = [
        Live(_known(row["document"], row["ended_s"]), State(row["state"]), row["announced"]) for row in made["live"]
    ]
    return Noted(made["at_s"], made["seen"], made["boots"], {one.cause.id: one for one in live})


def stored(connection: Connection) -> dict[str, Live[Known]]:
    """The patterns of the last look, ended ones too."""
    rows = connection.execute("SELECT * FROM pattern ORDER BY pattern_id")
    return {row["pattern_id"]: _live(row) for row in rows}


def what_is_there(connection: Connection) -> str:
    """Another text whenever something came or went that a look would see."""
    return " ".join(str(connection.execute(question).fetchone()[0]) for question in _BEARS_ON)


def _known(document: Mapping[str, Any], ended_s: float | None) -> Known:
    return Known(document["id"], document, ended_s, tuple(document["machines"]))


def _live(row: Row) -> Live[Known]:
    document = json.loads(row["document"])
    return Live(_known(document, document.get("ended_s")), State(row["state"]), row["announced_machines"])


def _with_old_ids(now: Sequence[Known], before: Mapping[str, Live[Known]]) -> Iterable[Known]:
    """A pattern found under narrower or wider conditions keeps the id under which it was first said."""
    found = {known.id for known in now}
    gone = {name: live.cause for name, live in before.items() if name not in found and live.state is not State.ENDED}
    for known in now:
        old = next((name for name, last in gone.items() if _same(last, known)), None)
        if known.id in before or old is None:
            yield known
        else:
            del gone[old]
            yield replace(known, id=old, document={**known.document, "id": old})


def _is_there(last: Known, reports: Collection[str], now: Sequence[Known]) -> bool:
    """Whether a pattern of the last look is still one: its latest boot is not hidden, and no other pattern says it."""
    return _latest(last) in reports and not _taken_over(last, now)


def _latest(last: Known) -> str:
    """The report of its latest failed boot."""
    name: str = last.document["evidence"][-1]["report_id"]
    return name


def _taken_over(last: Known, now: Sequence[Known]) -> bool:
    """Whether another pattern now says what this one said."""
    return all(known.id != last.id for known in now) and any(_same(last, known) for known in now)


def _by_the_clock(live: Live[Known], now_s: float) -> Live[Known]:
    ended_s = live.cause.ended_s
    if ended_s is None:
        return live
    return replace(live, state=State.RECOVERING if now_s - ended_s <= RECOVERS_S else State.ENDED)


def _same(last: Known, known: Known) -> bool:
    """Whether two patterns are one and the same trouble: most machines, or a place that lies in the other's."""
    one, other = last.document, known.document
    if one["kind"] != other["kind"] or not same_class(one["signature"][0], other["signature"][0]):
        return False
    shared = len(set(last.machines) & set(known.machines))
    most = shared >= _SAME_MACHINES * min(len(last.machines), len(known.machines))
    return most or _is_nested(one["conditions"], other["conditions"])


def _is_nested(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether both say the same but for a prefix that lies in the other."""
    rest = [{name: value for name, value in words.items() if name != "prefix"} for words in (one, other)]
    places = [parse_prefix(words.get("prefix", "")) for words in (one, other)]
    if rest[0] != rest[1] or places[0] is None or places[1] is None:
        return False
    return places[0].holds(places[1]) or places[1].holds(places[0])


def _store(connection: Connection, live: Live[Known], last: Live[Known] | None, now_s: float) -> None:
    known = live.cause
    changed = last is None or live.state is not last.state
    row = (known.id, known.document["kind"], live.state, known.document["title"])
    text = json.dumps({**known.document, "ended_s": known.ended_s})
    connection.execute(
        "INSERT INTO pattern VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (pattern_id) DO UPDATE SET state=excluded.state, "
        "title=excluded.title, announced_machines=excluded.announced_machines, document=excluded.document, "
        "opened_at=CASE WHEN excluded.state='opened' AND pattern.state='ended' THEN excluded.opened_at "
        "ELSE pattern.opened_at END, changed_at=CASE WHEN ?=1 THEN excluded.changed_at ELSE pattern.changed_at END",
        (*row, now_s, now_s, live.machines, text, changed),
    )
    if changed and live.state is not State.LASTING:
        connection.execute(
            "INSERT INTO pattern_event VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
            (known.id, now_s, live.state, known.document["sentence"]),
        )
