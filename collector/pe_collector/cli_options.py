"""Options and connections that the commands share."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pe_collector import output

if TYPE_CHECKING:
    from pe_collector.connection import Connection

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Since(click.ParamType[float]):
    """A moment: a span of time that ends now, for example 2h, or a date and time; with `ahead` the span begins now."""

    name = "since"

    def __init__(self, *, ahead: bool = False) -> None:
        self._sign = 1 if ahead else -1

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Unix seconds that lie `2h` back (or ahead), or those of `2026-03-02T08:15` (UTC unless it says otherwise)."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhdw])", value)
        if match is not None:
            return time.time() + self._sign * int(match[1]) * _SECONDS[match[2]]
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r}: a number and s, m, h, d or w are needed, for example 2h, or a time", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _use_store(context: click.Context, _parameter: click.Parameter, told: str | None) -> None:
    """For this command and what it starts: the environment says it to both."""
    if told is None:
        return
    from pe_collector.store.where import VARIABLE, parse_store  # noqa: PLC0415 - protobuf comes with the package

    parse_store(told)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = told
    context.call_on_close(lambda: os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before}))


_STORE = click.option(
    "--store",
    metavar="URL",
    expose_value=False,
    callback=_use_store,
    help="sqlite:///PATH or postgresql://USER@HOST/DATABASE instead of the folder's own file (PE_COLLECTOR_STORE).",
)
_FOLDER = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="pe-data",
    envvar="PE_COLLECTOR_DATA",
    show_default=True,
    help="The collector's folder (PE_COLLECTOR_DATA).",
)


def DATA(command: Callable[..., Any]) -> Callable[..., Any]:  # noqa: N802 - stands where the other options do
    """Which collector: its folder, and its store where that is elsewhere."""
    return _FOLDER(_STORE(command))


FOLDER = click.Path(path_type=Path, file_okay=False)
PARQUET = click.option("--parquet", type=FOLDER, help="Ask what `export --parquet` wrote into this folder.")
FORMAT = click.option("--format", "form", type=click.Choice(sorted(output.FORMATS)), default="table")
SINCE = click.option("--since", "since_s", type=Since(), default=0.0, metavar="2h", help="Only what came since.")


@contextmanager
def reading(data: Path) -> Iterator[Connection]:
    """A connection that cannot write, closed afterwards."""
    from pe_collector.store import database  # noqa: PLC0415 - protobuf comes with the package

    with closing(database.open_reader(data / database.FILE_NAME)) as connection:
        yield connection


@contextmanager
def writing(data: Path) -> Iterator[Connection]:
    """A connection that commits durably, closed afterwards; the collector must exist."""
    from pe_collector.store import database  # noqa: PLC0415

    with reading(data):
        pass
    with closing(database.open_writer(data / database.FILE_NAME)) as connection:
        yield connection
