"""How do the answers of the writer's thread come back to the event loop? All of one commit in one call."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_Answer = TypeVar("_Answer")
Hear = Callable[[_Answer | None, BaseException | None], None]


@dataclass(frozen=True, slots=True)
class Waiting(Generic[_Answer]):
    """Takes one answer, from any thread; `hear` gets it in the loop."""

    desk: AnswerDesk
    hear: Hear[_Answer]

    def set_result(self, answer: _Answer) -> None:
        """It was done."""
        self.desk.give(self.hear, answer, None)

    def set_exception(self, failure: BaseException) -> None:
        """It was not."""
        self.desk.give(self.hear, None, failure)


class AnswerDesk:
    """Of one loop: the one it is first used in. A wake-up of the loop costs more than an answer, so one serves many."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._given: deque[tuple[Hear[Any], Any, BaseException | None]] = deque()
        self._called = False

    def waiting(self, hear: Hear[_Answer]) -> Waiting[_Answer]:
        """What is handed to the writer."""
        self._loop = self._loop or asyncio.get_running_loop()
        return Waiting(self, hear)

    def future(self) -> tuple[Waiting[_Answer], asyncio.Future[_Answer]]:
        """The same, for one who waits; going away meanwhile does no harm."""
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()

        def hear(answer: _Answer | None, failure: BaseException | None) -> None:
            if future.done():
                return
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(answer)  # type: ignore[arg-type]  # None only beside a failure

        return self.waiting(hear), future

    def give(self, hear: Hear[Any], answer: Any, failure: BaseException | None) -> None:
        """From any thread."""
        self._given.append((hear, answer, failure))
        if not self._called and self._loop is not None:
            self._called = True
            # A loop that is gone has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        # Before the first is taken: whoever gives from now on calls again.
        self._called = False
        while self._given:
            hear, answer, failure = self._given.popleft()
            hear(answer, failure)
