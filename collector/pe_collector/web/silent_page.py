"""What did the servers log of a machine that never reported?"""

from __future__ import annotations

from pe_agent.errors import UsageError
from starlette.requests import Request
from starlette.responses import Response

from pe_collector.connection import Connection
from pe_collector.ops.route import state_of
from pe_collector.server_side import events_about, silent_boots_of
from pe_collector.web.view import page

_MOST_EVENTS = 500


def silent_page(request: Request) -> Response:
    """Boots without a report, and what servers logged, of one MAC or address."""
    name = request.path_params["name"]
    word = as_logged(name)
    with state_of(request).reading() as connection:
        events = events_about(connection, word, _MOST_EVENTS)
        silent = silent_boots_of(connection, word)
    if not events:
        raise UsageError(f"{name!r} is no MAC or address that a server logged; import the logs of WDS or DHCP")
    return page(request, "silent.html", f"{word} as the servers saw it", name=word, events=events, silent=silent)


def is_logged(connection: Connection, name: str) -> bool:
    """Whether a server logged anything of a MAC or address."""
    return bool(name and events_about(connection, as_logged(name), 1))


def as_logged(name: str) -> str:
    """A MAC as servers' events have it here: small letters and colons."""
    return name.strip().lower().replace("-", ":")
