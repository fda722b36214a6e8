"""What does this log say, and which of its lines convicted the boot?"""

from __future__ import annotations

import re

from pe_agent.encoding import encoding_of
from pe_agent.readers.record import decode
from starlette.requests import Request
from starlette.responses import Response

from pe_collector.ops.route import state_of
from pe_collector.reports import find_reports, log_of, report_document
from pe_collector.web.boot_page import convicting, lines_with, log_path
from pe_collector.web.view import page

# Lines on one page, and how much of a line: the longest log must not stop the browser.
MOST_LINES, MOST_TEXT = 2000, 4000
_LEVEL = re.compile(r"[ ,](Error|Warning)\b|type=\"([23])\"")
_CLASSES = {"Error": "error", "Warning": "warning", "3": "error", "2": "warning"}


def log_page(request: Request) -> Response:
    """A stretch of the log around `line`, or from `first` on."""
    path, asked = request.query_params.get("path", ""), request.query_params
    with state_of(request).reading() as connection:
        report_id = find_reports(connection, request.path_params["name"])[0]
        document, log = report_document(connection, report_id), log_of(connection, report_id, path)
    lines = lines_of(log.octets)
    convicted = lines_with(convicting(document), log.path)
    around = max(1, _number(asked.get("line")) - MOST_LINES // 2)
    first = min(_number(asked.get("first")) or around, max(len(lines), 1))
    shown = [(n, text[:MOST_TEXT], level_of(text)) for n, text in enumerate(lines, 1)][first - 1 :][:MOST_LINES]
    places = [(line, log_path(report_id, log.path, line)) for line in sorted(convicted)]
    said = {"report": document, "log": log, "lines": shown, "count": len(lines), "places": places}
    return page(request, "log.html", f"{log.path} - {document['code']}", **said, convicted=convicted, step=MOST_LINES)


def lines_of(octets: bytes) -> list[str]:
    """The lines, counted as findings count them: by line feeds."""
    encoding = encoding_of(octets)
    text = decode(octets) if encoding == "utf-8" else octets.decode(encoding, "replace")
    lines = text.removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def level_of(text: str) -> str:
    """`error` or `warning` where the line says so in the way of Setup or CMTrace; else empty."""
    match = _LEVEL.search(text[:600])
    return _CLASSES[match[1] or match[2]] if match else ""


def _number(text: str | None) -> int:
    return int(text[:9]) if text and text.isascii() and text.isdigit() else 0
