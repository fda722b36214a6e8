"""What has changed since the last look? Causes keep an id while they last: opened, worsened, recovering, ended."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

# Half as many machines again, and at least so many more, is worse.
_WORSE_FACTOR = 1.5
_WORSE_MACHINES = 3


class State(enum.StrEnum):
    """How a cause stands."""

    OPENED = "opened"
    LASTING = "lasting"
    WORSENED = "worsened"
    RECOVERING = "recovering"
    ENDED = "ended"


class Lasting(Protocol):
    """What is followed; `ended_s` is None while it lasts."""

    @property
    def id(self) -> str:
        """The same while it lasts."""
        ...

    @property
    def ended_s(self) -> float | None:
        """When it ended."""
        ...

    @property
    def machines(self) -> Sized:
        """Those that failed."""
        ...


_Cause = TypeVar("_Cause", bound=Lasting)


@dataclass(frozen=True, slots=True)
class Live(Generic[_Cause]):
    """A cause and how it stands; `machines` is the count it was last announced with."""

    cause: _Cause
    state: State
    machines: int


def follow(before: Mapping[str, Live[_Cause]], now: Iterable[_Cause]) -> dict[str, Live[_Cause]]:
    """The causes of this look beside those of the last one, by id. What had ended and is gone is forgotten.

    One that is found no more is recovering at first: it ends when the next look does not find it either.
    """
    found = {cause.id: cause for cause in now}
    live = {name: _seen(before.get(name), cause) for name, cause in found.items()}
    for name, last in before.items():
        if name not in found and last.state is not State.ENDED:
            state = State.ENDED if last.state is State.RECOVERING else State.RECOVERING
            live[name] = Live(last.cause, state, last.machines)
    return live


def _seen(last: Live[_Cause] | None, cause: _Cause) -> Live[_Cause]:
    machines = len(cause.machines)
    if last is None or last.state is State.ENDED:
        return Live(cause, State.OPENED, machines)
    if cause.ended_s is not None:
        return Live(cause, State.RECOVERING, last.machines)
    if machines >= max(_WORSE_FACTOR * last.machines, last.machines + _WORSE_MACHINES):
        return Live(cause, State.WORSENED, machines)
    return Live(cause, State.LASTING, last.machines)
