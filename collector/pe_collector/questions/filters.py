"""What is asked about? The same words on the command line, in the URL and on the page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from pe_agent.errors import UsageError

from pe_collector.store.addresses import address_key, key_range

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"(\d{1,9})([smhdw])")
_Predicate = Callable[[sa.FromClause, Any], "sa.ColumnElement[bool]"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty or None: not asked. Times are Unix seconds; `outcome` may hold several words with commas between."""

    since_s: float | None = None
    until_s: float | None = None
    subnet: str = ""
    site: str = ""
    server: str = ""
    image: str = ""
    model: str = ""
    outcome: str = ""

    @property
    def given(self) -> Mapping[str, Any]:
        """What was asked for, by field name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value not in ("", None)}


# Words of the URL and options of the command line -> what --help says.
WORDS = {
    "since": "Only what came since: 2h, or 2026-11-22T14:05Z.",
    "until": "Only what came before then.",
    "subnet": "Addresses in this prefix, IPv4 or IPv6.",
    "site": "The site that `pe-collector sites` gives the address.",
    "server": "The deployment server.",
    "image": "The boot image: its name or build.",
    "model": "The machine's model.",
    "outcome": "healthy, warning, fault, unknown or incomplete; several with commas.",
}


def parse_filters(words: Mapping[str, str], since: str, now_s: float) -> Filters:
    """Filters from words as people type them; `since` is the question's own when none is given.

    Raises:
        UsageError: a time or prefix cannot be read.
    """
    started = words.get("since") or since
    until = words.get("until")
    rest = {name: words.get(name) or "" for name in WORDS if name not in ("since", "until")}
    if rest["subnet"]:
        rest["subnet"] = key_range(rest["subnet"]).prefix
    return Filters(
        since_s=moment(started, now_s) if started else None, until_s=moment(until, now_s) if until else None, **rest
    )


def moment(text: str, now_s: float | None = None) -> float:
    """Unix seconds of `2h` (back from now), `2026-11-22T14:05Z`, or a number of seconds; without a zone it is UTC.

    Raises:
        UsageError: it is none of these.
    """
    if match := _SPAN.fullmatch(text):
        return (time.time() if now_s is None else now_s) - int(match[1]) * _SECONDS[match[2]]
    from datetime import UTC, datetime  # noqa: PLC0415 - most are spans

    try:
        return float(text) if re.fullmatch(r"\d{9,11}(\.\d+)?", text) else _in_utc(datetime.fromisoformat(text), UTC)
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"{text!r} is no time; it looks like 2h, 30m, 7d or 2026-11-22T14:05Z") from exc


def _in_utc(value: Any, utc: Any) -> float:
    return float((value if value.tzinfo else value.replace(tzinfo=utc)).timestamp())


def conditions(view: sa.FromClause, filters: Filters) -> list[sa.ColumnElement[bool]]:
    """What rows of `boots` or `reports` must meet."""
    return [_PREDICATES[name](view, value) for name, value in filters.given.items()]


def keeps(row: Mapping[str, Any], filters: Filters) -> bool:
    """Whether a row made in Python meets the filters but for time; what is not known of it matches nothing."""
    asked = {name: value for name, value in filters.given.items() if name not in ("since_s", "until_s")}
    return all(_holds(name, value, row) for name, value in asked.items())


def _holds(name: str, value: str, row: Mapping[str, Any]) -> bool:
    if name == "subnet":
        inside, key = key_range(value), address_key(row.get("address") or row.get("ip"))
        return key is not None and inside.first <= key <= inside.last
    if name == "outcome":
        return row.get("outcome") in _words(value)
    return str(row.get(name) or "").casefold() == value.casefold()


def _in_subnet(view: sa.FromClause, prefix: str) -> sa.ColumnElement[bool]:
    inside = key_range(prefix)
    return view.c.address_key.between(inside.first, inside.last)


def _of_image(view: sa.FromClause, name: str) -> sa.ColumnElement[bool]:
    known = (view.c.image, view.c.image_build, view.c.image_name)
    return sa.or_(*(_same(column, name) for column in known))


def _same(column: sa.ColumnElement[Any], word: str) -> sa.ColumnElement[bool]:
    return sa.func.lower(column) == word.lower()


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]


_PREDICATES: dict[str, _Predicate] = {
    "since_s": lambda view, at_s: view.c.received_at >= at_s,
    "until_s": lambda view, at_s: view.c.received_at < at_s,
    "subnet": _in_subnet,
    "site": lambda view, name: _same(view.c.site, name),
    "server": lambda view, name: _same(view.c.server, name),
    "image": _of_image,
    "model": lambda view, name: _same(view.c.model, name),
    "outcome": lambda view, text: view.c.outcome.in_(_words(text)),
}
