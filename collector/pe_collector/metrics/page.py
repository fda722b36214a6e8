"""The text of /metrics, and the endpoint that gives it."""

from __future__ import annotations

from contextlib import closing

from prometheus_client import CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from pe_collector.metrics.now import Now, Parts
from pe_collector.metrics.tally import Tally
from pe_collector.ops.route import state_of
from pe_collector.store import FILE_NAME, open_reader

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(tally: Tally, parts: Parts) -> bytes:
    """Everything in Prometheus' text format 0.0.4."""
    with closing(open_reader(parts.folder / FILE_NAME)) as connection:
        tally.settle(connection)
        now = CollectorRegistry(auto_describe=False)
        now.register(Now(parts, connection))
        return bytes(generate_latest(tally.registry)) + bytes(generate_latest(now))


def endpoint(request: Request) -> Response:
    """GET /metrics."""
    return Response(state_of(request).metrics(), media_type=CONTENT_TYPE)
