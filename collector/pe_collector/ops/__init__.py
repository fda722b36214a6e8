"""The ops listener: who may look at what is stored, and change it. Nothing of it is reachable by the ingest ports.

To add routes: rows of `routes.ROUTES`. An endpoint is a plain or async function of a Starlette request; the state is
`state_of(request)`, who asks is `actor_of(request)`.
"""

from pe_collector.ops.app import app
from pe_collector.ops.route import OpsRoute, actor_of, note, state_of
from pe_collector.ops.state import Access, Actor, OpsState

__all__ = ["Access", "Actor", "OpsRoute", "OpsState", "actor_of", "app", "note", "state_of"]
