"""Who is deploying now, and how far is each? A row a machine, a cell a phase; new rows come by themselves."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pe_agent.errors import PeError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pe_collector.ops.route import state_of
from pe_collector.ops.state import OpsState
from pe_collector.questions import LIMIT, ask, connected, question_named
from pe_collector.questions.asking import asked_with
from pe_collector.questions.deploying import states_of
from pe_collector.store.phases import PHASES
from pe_collector.web.view import asked_filters, page, templates

EVERY_S = 2.0
# A stream ends after so long; the browser asks again, and then with the rights it has by then.
LASTS_S = 300.0
_MOST_BOARDS = 50
# Rows on the board; the numbers above it are those of all.
MOST_SHOWN = 1000
_STATES = ("failed", "running", "warning", "ok")


def board(request: Request) -> Response:
    """The board as it is now."""
    words = asked_filters(request)
    found = _found(state_of(request), words)
    return page(
        request, "board.html", "Now deploying", **found, asked=words, live=f"/live/deploying?{request.url.query}"
    )


async def live(request: Request) -> Response:
    """Server-sent events: the rows anew whenever they differ from the last ones sent."""
    words, state = asked_filters(request), state_of(request)
    if not hasattr(request.app.state, "boards"):
        request.app.state.boards = Boards()
    boards: Boards = request.app.state.boards
    return StreamingResponse(_events(boards, state, words), media_type="text/event-stream")


class Boards:
    """The rows of each board that somebody looks at, drawn once for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: dict[str, tuple[float, str]] = {}

    def rows(self, state: OpsState, words: Mapping[str, str]) -> str:
        """The rows as JSON, at most EVERY_S old."""
        key = json.dumps(words, sort_keys=True)
        with self._lock:
            at_s, drawn = self._drawn.get(key, (-EVERY_S, ""))
            if time.monotonic() - at_s >= EVERY_S:
                drawn = json.dumps(_drawn(_found(state, words)))
                self._drawn[key] = (time.monotonic(), drawn)
                while len(self._drawn) > _MOST_BOARDS:
                    del self._drawn[next(iter(self._drawn))]
            return drawn


async def _events(boards: Boards, state: OpsState, words: Mapping[str, str]) -> AsyncIterator[str]:
    sent, until = "", time.monotonic() + LASTS_S
    while time.monotonic() < until:
        try:
            rows = await run_in_threadpool(boards.rows, state, words)
        except (PeError, sqlite3.Error) as exc:
            yield f"event: refused\ndata: {json.dumps(str(exc))}\n\n"
            return
        # A comment keeps a connection with nothing to say from being taken for a dead one.
        yield f"event: rows\ndata: {rows}\n\n" if rows != sent else ": still here\n\n"
        sent = rows
        await asyncio.sleep(EVERY_S)


def _found(state: OpsState, words: Mapping[str, str]) -> dict[str, Any]:
    question = question_named("deploying")
    if question is None:
        raise TypeError("the table of questions has no row `deploying`")
    asked = {**words, LIMIT.name: MOST_SHOWN}
    with connected(state.folder) as connection:
        answer = ask(connection, question, asked, state.now_s())
        counts = Counter(row["state"] for row in answer.rows)
        if answer.cut:
            counts = Counter(states_of(asked_with(connection, question, asked, state.now_s())))
    shown = f"The first {len(answer.rows):,} of {counts.total():,}: failed ones, then the last heard."
    return {
        "rows": answer.rows,
        "phases": PHASES,
        "counts": {name: counts[name] for name in _STATES},
        "cut": shown if answer.cut else "",
    }


def _drawn(found: Mapping[str, Any]) -> dict[str, Any]:
    rows = templates().get_template("board_rows.html").render(found)
    return {"rows": rows, "counts": found["counts"], "cut": found["cut"]}
