"""How is a value said on the page? Text of machines made harmless to read, times, shares and links."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

from pe_collector import output
from pe_collector.findings.silence import who_of
from pe_collector.questions.contract import Column, Row, Unit

_KEPT = frozenset("\n\t")
_PICTURES = 0x2400
_HIDDEN = frozenset({"Cf", "Cs", "Co", "Zl", "Zp"})
_FAILING = (0.0, 0.02, 0.1, 0.3, 0.6)
# Column -> path of the page that tells more of its value.
_LINKS = {
    "machine_id": "/machine/",
    "machines_seen": "/machine/",
    "report_id": "/boot/",
    "code": "/boot/",
    "id": "/pattern/",
    "prefix": "/map?prefix=",
}


# Columns whose moments are texts.
_ISO_TIMES = frozenset({"onset", "ended"})
_NUMBERS = frozenset({Unit.SECONDS, Unit.SHARE, Unit.COUNT, Unit.OCTETS})
# A text up to this length stays on one line of a table.
_LONG = 60


def tame(value: Any) -> Any:
    """Text with every mark that cannot be seen, or that turns the direction of reading, written out."""
    if not isinstance(value, str) or isinstance(value, Markup) or (value.isascii() and value.isprintable()):
        return value
    return "".join(map(_seen, value))


def _seen(mark: str) -> str:
    if mark in _KEPT or mark.isprintable():
        return mark
    kind = unicodedata.category(mark)
    if kind == "Cc" and ord(mark) < 0x20:
        return chr(_PICTURES + ord(mark))
    return f"<U+{ord(mark):04X}>" if kind in _HIDDEN or kind == "Cc" else mark


def moment(unix_s: float | None) -> Markup:
    """A time in UTC; script shows it in local time and leaves the UTC in the title."""
    if unix_s is None:
        return Markup("")
    said = output.when(unix_s)
    machine_readable = said.replace(" ", "T")
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(machine_readable, said.rstrip("Z"), said)


def iso_moment(text: str | None) -> Markup:
    """The same of a time in ISO 8601, UTC to the second; other text as it is."""
    try:
        return moment(datetime.datetime.fromisoformat(text).timestamp()) if text else Markup("")
    except (ValueError, OverflowError):
        return Markup("{}").format(tame(text))


def share(value: float | None) -> str:
    """With one decimal, as a percentage."""
    return "" if value is None else f"{value:.1%}"


def seconds(value: float | None) -> str:
    """Seconds, tenths below a hundred."""
    if value is None:
        return ""
    return f"{value:.1f} s" if abs(value) < 100 else f"{value:,.0f} s"


def heat(failed: int, boots: int) -> str:
    """The class of a cell by the share that failed: heat-none without a boot, heat-0 to heat-5."""
    if not boots:
        return "heat-none"
    return f"heat-{sum(failed / boots > step for step in _FAILING)}"


def boot_place(report_id: str) -> str:
    """The path of the page about a boot: of its report, or of what the servers logged where there is none."""
    silent = who_of(report_id)
    return f"/silent/{quote(silent, safe='')}" if silent else f"/boot/{quote(report_id, safe='')}"


def with_words(path: str, words: Mapping[str, Any]) -> str:
    """The path with these words as its query; empty ones are left out."""
    kept = {name: value for name, value in words.items() if value not in ("", None)}
    return f"{path}?{urlencode(kept)}" if kept else path


def cell(column: Column, row: Row) -> Any:
    """One cell of an answer in people's units, with a link where there is a page about it."""
    value = row[column.name]
    if value in (None, "", [], {}):
        return ""
    if column.unit in _OF_UNIT:
        return _OF_UNIT[column.unit](value)
    if column.name in _ISO_TIMES and isinstance(value, str):
        return iso_moment(value)
    if column.name in _LINKS and isinstance(value, str):
        return Markup('<a href="{}{}">{}</a>').format(_LINKS[column.name], quote(value, safe=""), tame(value))
    return _plain(value)


def cell_class(value: Any, unit: str = "") -> str:
    """How wide a cell may be: numbers to the right, long texts in lines, lists cut; the rest on one line."""
    if unit in _NUMBERS or (isinstance(value, int | float) and unit == ""):
        return "n"
    if isinstance(value, list | tuple | Mapping):
        return "listed"
    return "long" if isinstance(value, str) and len(value) > _LONG else ""


def coded(text: str) -> Markup:
    """What stands between backticks, as code."""
    parts = [escape(tame(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(tame(text))
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        most = 8
        said = "; ".join(str(_plain(each)) for each in value[:most])
        return f"{said}; and {len(value) - most} more" if len(value) > most else said
    return f"{value:.3g}" if isinstance(value, float) else value


_OF_UNIT: Mapping[str, Callable[[Any], Any]] = {
    Unit.TIME: moment,
    Unit.SHARE: lambda value: share(value) if value >= 0.001 else f"{value:.2g}",
    Unit.SECONDS: seconds,
    Unit.COUNT: lambda value: f"{value:,}",
    Unit.OCTETS: lambda value: f"{value:,}",
    Unit.FLAG: lambda value: "yes" if value else "no",
}
FILTERS: Mapping[str, Callable[..., Any]] = {
    "bare": lambda text: text.replace("`", ""),
    "coded": coded,
    "iso_moment": iso_moment,
    "moment": moment,
    "seconds": seconds,
    "share": share,
}
GLOBALS: Mapping[str, Callable[..., Any]] = {
    "boot_place": boot_place,
    "cell": cell,
    "cell_class": cell_class,
    "heat": heat,
    "with_words": with_words,
}
