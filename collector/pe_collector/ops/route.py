"""What is a route of the ops listener? A path, an endpoint, and the role without which it does not answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from pe_collector.ops.state import Actor, OpsState
from pe_collector.roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class OpsRoute:
    """One route. `role` None: everybody who reaches the listener may use it. A change is audited by its `path`."""

    path: str
    endpoint: Callable[[Request], Any]
    role: Role | None
    methods: tuple[str, ...] = ("GET",)

    @classmethod
    def of(cls, route: Route, role: Role) -> OpsRoute:
        """A Starlette route with the role it needs."""
        methods = tuple(sorted((route.methods or {"GET"}) - {"HEAD"}))
        return cls(route.path, route.endpoint, role, methods)


def state_of(request: Request) -> OpsState:
    """The state of the application that serves this request."""
    state: OpsState = request.app.state.ops
    return state


def actor_of(request: Request) -> Actor:
    """Who asks; only inside a route that needs a role."""
    actor: Actor = request.state.actor
    return actor


def note(request: Request, target: str, detail: str = "") -> None:
    """Say what a change was about, for the audit log: on what, and in a few words which."""
    request.state.note = (target, detail)
