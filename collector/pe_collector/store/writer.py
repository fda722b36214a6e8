"""Who writes? One thread. It commits whatever waits in its queue at once, and answers only after the commit."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pe_agent.errors import PeError

from pe_collector.budget import cost_of
from pe_collector.connection import Connection, Unreachable
from pe_collector.store.database import open_writer
from pe_collector.store.errors import StoreError
from pe_collector.store.frames import Stored, store_frames
from pe_collector.store.opening import Arrived, open_reports
from pe_collector.store.rows import Filed

__all__ = ["Stored", "Writer"]

MOST_AT_ONCE = 1000
# Octets of memory that the rows of one commit take, and no more than one order above.
MOST_COST_AT_ONCE = 24 * 1024 * 1024
# Longer than the patience with a lock, and than any commit takes.
STUCK_S = 120.0
_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class Done(Protocol):
    """Hears of an order after its commit, in the writer's thread."""

    def set_result(self, answer: Any, /) -> None:
        """It is on disk."""

    def set_exception(self, failure: BaseException, /) -> None:
        """It is not; a StoreError, or what the step raised."""


class Watcher(Protocol):
    """Hears of every commit of frames, in the writer's thread."""

    def committed(self, frames: Sequence[Filed], waited_s: Sequence[float]) -> None:
        """These frames are on disk; the orders that brought them waited so many seconds."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A step that needs the connection to itself, or a report to open; then frames of one report, or what makes them.

    `done` hears of it after the commit. Where the step raises or the report is refused, the frames are left out.
    """

    done: Done
    frames: tuple[Filed, ...] = ()
    step: Callable[[Connection], Any] | None = None
    opening: Arrived | None = None
    file: Callable[[], tuple[Filed, ...]] | None = None
    asked_s: float = field(default_factory=time.monotonic)


class Writer:
    """The only one who writes. Callers bound what they have in flight; the queue itself takes everything."""

    def __init__(self, path: Path, now_s: Callable[[], float] = time.time, watcher: Watcher | None = None) -> None:
        self._now_s = now_s
        self._watcher = watcher
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._connection = open_writer(path)
        self._closed = False
        self._began_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def put(self, *frames: Filed) -> Future[Stored]:
        """Store frames of one report that was opened; the answer comes after the commit, or is a StoreError."""
        done = _future()
        self.order(done, frames)
        return done

    def run(self, step: Callable[[Connection], _Answer]) -> Future[_Answer]:
        """Run `step` inside the next transaction; what it raises undoes it alone."""
        done = _future()
        self.order(done, (), step)
        return done

    def open_and_put(self, arrived: Arrived, *frames: Filed) -> Future[Stored]:
        """Both in one transaction: a report and frames of it."""
        done = _future()
        self.bring(done, lambda: frames, arrived)
        return done

    def waiting(self) -> int:
        """How many orders wait to be begun."""
        return self._orders.qsize()

    def is_moving(self) -> bool:
        """Whether the thread lives and is not stuck in one commit for STUCK_S."""
        began_s = self._began_s
        return self._thread.is_alive() and (began_s is None or time.monotonic() - began_s < STUCK_S)

    def close(self) -> None:
        """Commit what waits, then stop."""
        self._closed = True
        self._orders.put(None)
        self._thread.join()
        self._connection.close()

    def order(self, done: Done, frames: tuple[Filed, ...], step: Callable[[Connection], Any] | None = None) -> None:
        """Put or run, answered to `done` instead of a future of its own."""
        self._take(_Order(done, frames, step))

    def bring(self, done: Done, file: Callable[[], tuple[Filed, ...]], opening: Arrived | None) -> None:
        """Store what `file` makes, called once in the writer's thread, after opening the report; answered to `done`.

        The answer is Stored, or Opened when there are no frames.
        """
        self._take(_Order(done, (), None, opening, file))

    def _take(self, order: _Order) -> None:
        if self._closed:
            order.done.set_exception(StoreError("the collector is stopping; send again"))
        else:
            self._orders.put(order)

    def _work(self) -> None:
        stopping = False
        while not stopping:
            self._began_s = None
            waiting, stopping = self._drain()
            for orders in _portions(waiting):
                self._began_s = time.monotonic()
                if not self._commit(orders) and len(orders) > 1:
                    # One order that cannot be stored must not take the others with it.
                    for order in orders:
                        self._began_s = time.monotonic()
                        self._commit([order], last_try=True)

    def _drain(self) -> tuple[list[_Order], bool]:
        orders: list[_Order] = []
        order = self._orders.get()
        while order is not None:
            orders.append(order)
            if len(orders) >= MOST_AT_ONCE:
                return orders, False
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return orders, False
        return orders, True

    def _commit(self, orders: list[_Order], *, last_try: bool = False) -> bool:
        """Whether the orders were settled; if not, and others could be to blame, nobody has heard yet."""
        if not orders:
            return True
        try:
            answers = self._transact(orders)
        except Exception as exc:  # noqa: BLE001 - without this thread nothing is stored any more
            self._roll_back()
            if len(orders) > 1 and not (last_try or isinstance(exc, Unreachable)):
                return False
            for order in orders:
                _tell(order, _failure(exc))
            return True
        for order, answer in zip(orders, answers, strict=True):
            _tell(order, answer)
        self._watch(orders, answers)
        return True

    def _watch(self, orders: Sequence[_Order], answers: Sequence[Any]) -> None:
        """What is on disk by now stays there, whatever becomes of counting it."""
        if self._watcher is None:
            return
        now_s = time.monotonic()
        stored = [
            order for order, answer in zip(orders, answers, strict=True) if order.frames and isinstance(answer, Stored)
        ]
        try:
            if stored:
                frames = [frame for order in stored for frame in order.frames]
                self._watcher.committed(frames, [now_s - order.asked_s for order in stored])
        except Exception:  # noqa: BLE001 - as above
            _log.exception("a commit was not counted")

    def _transact(self, orders: list[_Order]) -> list[Any]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        answers = [self._step(order.step) if order.step else None for order in orders]
        opening = [number for number, order in enumerate(orders) if order.opening is not None]
        opened = open_reports(connection, [order.opening for order in orders if order.opening is not None])
        for number, answer in zip(opening, opened, strict=True):
            answers[number] = answer
        taken = [not isinstance(answer, Exception) for answer in answers]
        frames = [frame for order, is_taken in zip(orders, taken, strict=True) if is_taken for frame in order.frames]
        stored = store_frames(connection, frames, self._now_s())
        connection.execute("COMMIT")
        return [
            _stored(order.frames[0].report_id, stored) if order.frames and is_taken else answer
            for order, answer, is_taken in zip(orders, answers, taken, strict=True)
        ]

    def _step(self, step: Callable[[Connection], Any]) -> Any:
        self._connection.execute("SAVEPOINT step")
        try:
            answer = step(self._connection)
        except sqlite3.Error:
            # Perhaps of the whole transaction: its orders are tried again, each alone.
            raise
        except Exception as exc:  # noqa: BLE001 - as above
            self._connection.execute("ROLLBACK TO step")
            answer = _failure(exc)
        self._connection.execute("RELEASE step")
        return answer

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after some errors (disk full is one).
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as exc:
            _log.warning("the database did not undo a transaction: %s", exc)


def _portions(waiting: Sequence[_Order]) -> Iterator[list[_Order]]:
    """The orders with their frames made, as many together as may be in memory at once."""
    orders: list[_Order] = []
    cost = 0
    for order in waiting:
        if (filed := _filed(order)) is not None:
            orders.append(filed)
            cost += cost_of(sum(frame.size for frame in filed.frames), len(filed.frames))
        if cost > MOST_COST_AT_ONCE:
            yield orders
            orders, cost = [], 0
    if orders:
        yield orders


def _filed(order: _Order) -> _Order | None:
    """The order with its frames made; None, and its sender has heard, when that failed."""
    if order.file is None:
        return order
    try:
        return replace(order, frames=order.file(), file=None)
    except Exception as exc:  # noqa: BLE001 - our fault with what one sender sent must not end the writing for all
        _tell(order, _failure(exc))
        return None


def _stored(report_id: str, stored: Mapping[str, Stored]) -> Stored | StoreError:
    return stored.get(report_id) or StoreError(f"report {report_id} was never opened")


def _failure(exc: Exception) -> Exception:
    """What the one who ordered hears; a fault of ours stands in the log with its traceback."""
    if isinstance(exc, PeError):
        return exc
    if isinstance(exc, sqlite3.Error):
        return StoreError(f"not stored: {exc}; check the collector's disk")
    _log.error("not stored: %r", exc, exc_info=exc)
    return StoreError(f"not stored: {exc!r}")


def _tell(order: _Order, answer: Any) -> None:
    try:
        if isinstance(answer, Exception):
            order.done.set_exception(answer)
        else:
            order.done.set_result(answer)
    except Exception:  # noqa: BLE001 - as above
        _log.exception("an answer was not heard")


def _future() -> Future[Any]:
    done: Future[Any] = Future()
    # Running from the start: a caller that goes away must not take its answer out of a commit under way.
    done.set_running_or_notify_cancel()
    return done
