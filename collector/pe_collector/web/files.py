"""The page's own style, script and icon: part of the package, served from it."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

FILES = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def static_file(request: Request) -> Response:
    """One of FILES; the browser asks again each time and gets it once."""
    name = request.path_params["name"]
    if name not in FILES:
        raise HTTPException(404)
    octets, tag = _read(name)
    headers = {"cache-control": "no-cache", "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(octets, media_type=FILES[name], headers=headers)


@functools.cache
def _read(name: str) -> tuple[bytes, str]:
    octets = resources.files("pe_collector.web").joinpath("static", name).read_bytes()
    return octets, f'"{hashlib.sha256(octets).hexdigest()[:16]}"'
