"""How is it shown? One function a format, pure: values in, text out."""

from __future__ import annotations

from collections.abc import Callable

from pe_agent.model import Report
from pe_agent.render.as_json import (
    render_json,
    render_jsonl,
    render_observations_json,
    render_record,
)
from pe_agent.render.as_text import observation_line, render_text, undelivered_lines
from pe_agent.render.others import render_code, render_explanation, render_probe_list

__all__ = [
    "FORMATS",
    "observation_line",
    "render_code",
    "render_explanation",
    "render_json",
    "render_jsonl",
    "render_observations_json",
    "render_probe_list",
    "render_record",
    "render_text",
    "undelivered_lines",
]

# Of a whole report and the receipt of its delivery ("" when there is none yet).
FORMATS: dict[str, Callable[[Report, str], str]] = {"text": render_text, "json": render_json, "jsonl": render_jsonl}
