"""What Datasette shows beside the views, deploy/datasette.json: made from docs/sql.md, which lists every column."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pe_collector.store.views import VIEWS

ROOT = Path(__file__).parents[2]
_VIEW = re.compile(r"^## `(\w+)`\n\n([^|]+?)\n\n((?:\|.*\n)+)", re.MULTILINE)
_COLUMN = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)


def metadata() -> str:
    """The whole file."""
    text = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    told = {name: (summary, dict(_columns(rows))) for name, summary, rows in _VIEW.findall(text)}
    views = {name: _view(name, *told[name]) for name in VIEWS.tables}
    about = {
        "description": "What machines reported of their boots: claims, not proof. The views are stable: docs/sql.md."
    }
    whole = {
        "title": "pe-collector",
        "description": "Which machines boot over the network and never get their Windows, and why",
        "databases": {"collector": {**about, "tables": views}},
    }
    return json.dumps(whole, indent=2) + "\n"


def _columns(rows: str) -> list[tuple[str, str]]:
    return [(name, what if unit == "text" else f"{what} ({unit})") for name, unit, what in _COLUMN.findall(rows)]


def _view(name: str, summary: str, told: dict[str, str]) -> dict[str, Any]:
    columns = {column.name: told[column.name].replace("`", "") for column in VIEWS.tables[name].columns}
    return {"title": name.replace("_", " "), "description": " ".join(summary.split()), "columns": columns}


if __name__ == "__main__":
    sys.stdout.write(metadata())
