"""Who is deploying now? A row a machine, a cell a phase."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pe_collector.questions.contract import Asked, Brief, Column, Question, Row, Unit
from pe_collector.questions.filters import conditions
from pe_collector.server_side import CLIENT_STARTED, IMAGE_CHOSEN, IMAGE_DONE
from pe_collector.store.functions import in_this_order
from pe_collector.store.phases import FAILED, OK, PHASES, RUNNING, WARNING, Cells, Seen, cells_of, from_text
from pe_collector.store.tables import machine, machine_mark, observation
from pe_collector.store.views import boots, server_events

# An agent that still works says something at least this often; one that does not was switched off, or cut off.
QUIET_S = 300.0
_APPLIED = "4109"
LIMIT = "limit"
# What a WDS server's event says about the machine's phases.
_REACHED = {
    IMAGE_DONE: ("pxe",),
    CLIENT_STARTED: ("pxe", "rpc"),
    IMAGE_CHOSEN: ("pxe", "rpc", "images"),
    _APPLIED: ("pxe", "rpc", "images", "apply"),
}
_STATE_OF_OUTCOME = {"fault": FAILED, "healthy": OK, "warning": OK}


_NAMES = (
    *("machine_id", "report_id", "received_at", "last_frame_at", "address", "prefix", "site", "server", "image"),
    *("outcome", "verdict", "title", "code", "phases", "complete", "model", "switch", "switch_port"),
)


def _deploying(asked: Asked) -> list[Row]:
    rows = _newest(asked)
    running = [row["report_id"] for row in rows.values() if not row["phases"]]
    seen = _observed(asked, running)
    logged = _logged(asked, rows)
    return [
        _row(row, seen.get(row["report_id"], []), logged.get(machine_id, set())) for machine_id, row in rows.items()
    ]


def states_of(asked: Asked) -> dict[str, int]:
    """State -> how many machines stand so, those too that are not shown."""
    newest = _newest_boots(asked)
    counted = sa.select(newest.c.state, sa.func.count()).where(newest.c.place == 1).group_by(newest.c.state)
    return {row[0]: row[1] for row in asked.connection.execute(counted)}


def _newest_boots(asked: Asked) -> sa.Subquery:
    """Boots with their state; `place` 1 is the newest of its machine. What is shown of few is not read of all."""
    newest_first = (boots.c.received_at.desc(), boots.c.report_id.desc())
    # An expression, or SQLite goes through the index of all machines instead of through the last half hour.
    machine_id = sa.func.coalesce(boots.c.machine_id, "")
    place = sa.func.row_number().over(partition_by=machine_id, order_by=newest_first)
    own = (boots.c[name] for name in ("report_id", "received_at", "last_frame_at"))
    return (
        sa.select(*own, _state(asked.now_s).label("state"), place.label("place"))
        .where(*conditions(boots, asked.filters))
        .subquery("chosen")
    )


def _newest(asked: Asked) -> dict[str, dict[str, Any]]:
    """The newest boot of each machine: those that failed first, then the last heard; one more than is shown."""
    chosen = _newest_boots(asked)
    rank = sa.case((chosen.c.state == FAILED, 0), else_=1).label("rank")
    own = (chosen.c.report_id, chosen.c.state, chosen.c.last_frame_at, chosen.c.received_at)
    best = sa.select(*own, rank).where(chosen.c.place == 1).order_by(*_order(rank, chosen))
    first = best.limit(asked.words[LIMIT] + 1).subquery("first")
    shown = (
        sa.select(*(boots.c[name] for name in _NAMES), first.c.state, machine.c.serial)
        .join_from(first, boots, boots.c.report_id == first.c.report_id)
        .join(machine, machine.c.machine_id == boots.c.machine_id)
        # Said again for an export, which looks through its files by time.
        .where(*conditions(boots, asked.filters))
        .order_by(*_order(first.c.rank, first))
    )
    names = (*_NAMES, "state", "serial")
    return {row[0]: dict(zip(names, row, strict=True)) for row in asked.connection.execute(shown)}


def _order(rank: sa.ColumnElement[int], of: sa.Subquery) -> tuple[sa.ColumnElement[Any], ...]:
    return rank, of.c.last_frame_at.desc(), of.c.received_at, of.c.report_id


def _state(now_s: float) -> sa.ColumnElement[str]:
    """How a boot stands, on the engine: of very many only few are shown."""
    speaks = boots.c.last_frame_at > now_s - QUIET_S
    of_outcome = sa.case(_STATE_OF_OUTCOME, value=boots.c.outcome, else_=WARNING)
    return sa.case((boots.c.complete == 1, of_outcome), (speaks, RUNNING), else_=FAILED)


def _observed(asked: Asked, report_ids: list[str]) -> dict[str, list[Seen]]:
    """What the probes of boots without a verdict have said so far."""
    wanted = (observation.c.report_id, observation.c.probe, observation.c.outcome, observation.c.reason)
    chosen = sa.select(*wanted).where(observation.c.report_id.in_(report_ids))
    seen: dict[str, list[Seen]] = {}
    for report_id, *said in asked.connection.execute(chosen):
        seen.setdefault(report_id, []).append(Seen(*said))
    return seen


def _logged(asked: Asked, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Machine -> numbers of the events that WDS servers logged of it since its boot began."""
    if not rows:
        return {}
    since_s = min(row["received_at"] for row in rows.values()) - QUIET_S
    of_machine = sa.and_(machine_mark.c.kind == "mac", machine_mark.c.value == server_events.c.mac)
    # There are more machines than events of so short a time.
    chosen = (
        sa.select(machine_mark.c.machine_id, server_events.c.event, server_events.c.at_s)
        .select_from(in_this_order(server_events, machine_mark, of_machine))
        .where(server_events.c.at_s >= since_s, server_events.c.event.in_(_REACHED))
    )
    found: dict[str, set[str]] = {}
    for machine_id, event, at_s in asked.connection.execute(chosen):
        if machine_id in rows and at_s >= rows[machine_id]["received_at"] - QUIET_S:
            found.setdefault(machine_id, set()).add(event)
    return found


def _row(row: Mapping[str, Any], seen: list[Seen], logged: set[str]) -> Row:
    state, events = row["state"], tuple(sorted(logged))
    words = _words_of_verdict(row["phases"], events, state) if row["phases"] else _words(cells_of(seen), events, state)
    reason = row["title"] if row["complete"] else {FAILED: "cut off before its verdict"}.get(state, "")
    return {**row, **words, "reason": reason, "last_seen": row["last_frame_at"]}


@functools.lru_cache(maxsize=4096)
def _words_of_verdict(phases: str, events: tuple[str, ...], state: str) -> Mapping[str, str]:
    """Of very many machines most stand as others do."""
    return _words(from_text(phases), events, state)


def _words(cells: Cells, events: Sequence[str], state: str) -> Mapping[str, str]:
    """Column -> what is known of its phase, with the servers' events in mind."""
    for event in events:
        for phase in _REACHED[event]:
            cells.setdefault(phase, (OK, ""))
    if state == RUNNING:
        cells.setdefault(_next(cells), (RUNNING, ""))
    if state == FAILED and "verdict" not in cells:
        cells["verdict"] = (FAILED, "cut off")
    return {f"phase_{phase}": ": ".join(filter(None, cells.get(phase, ("", "")))) for phase in PHASES}


def _next(cells: Cells) -> str:
    """The phase after the last one that something is known of."""
    known = [place for place, phase in enumerate(PHASES) if phase in cells]
    return PHASES[min(max(known, default=-1) + 1, len(PHASES) - 1)]


_CELLS = tuple(
    Column(f"phase_{phase}", meaning="ok, warning, failed or running, and why", brief=Brief.LETTER) for phase in PHASES
)
DEPLOYING = Question(
    name="deploying",
    title="Now deploying",
    summary="Machines that booted in the last half hour: how far each one is, and where it stopped.",
    columns=(
        Column("machine_id"),
        Column("serial", brief=Brief.WHOLE),
        Column("model"),
        Column("address", brief=Brief.WHOLE),
        Column("site"),
        Column("server"),
        Column("image"),
        Column("state", meaning="running, ok, warning or failed", brief=Brief.WHOLE),
        *_CELLS,
        Column("reason", meaning="the verdict in words", brief=Brief.WHOLE),
        Column("last_seen", Unit.TIME, "when it last said something"),
        Column("received_at", Unit.TIME, "when its report began to come"),
        Column("prefix"),
        Column("switch"),
        Column("switch_port"),
        Column("outcome"),
        Column("verdict", meaning="the leading finding"),
        Column("code"),
        Column("report_id"),
    ),
    rows=_deploying,
    since="30m",
)
