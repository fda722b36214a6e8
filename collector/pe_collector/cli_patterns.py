"""Commands that look for what failing boots have in common, and follow it up."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT, SINCE, Since, writing

_FILTERS = (
    click.option("--until", "until_s", type=Since(), metavar="1h", help="Only what came before then."),
    click.option("--subnet", default="", metavar="PREFIX", help="Only patterns with a failed boot in it."),
    click.option("--site", default="", help="Only patterns with a failed boot of this site."),
    click.option("--server", default="", help="Only patterns with a failed boot that asked this server."),
    click.option("--image", default="", help="Only patterns with a failed boot of this image: its name or build."),
    click.option("--model", default="", help="Only patterns with a failed boot of this model of machine."),
    click.option("--outcome", default="", help="Only patterns with a boot of this outcome; several with commas."),
)
_LIMIT = click.option("--limit", type=click.IntRange(1, 100_000), default=1000, help="At most so many [1000].")
_ID = click.argument("pattern", metavar="PATTERN")
_NOTE = click.option("--note", default="", help="Why, for whoever looks next.")
_WATCH_EVERY_S = 5.0


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@DATA
@FORMAT
@SINCE
@_filtered
@click.option("--all", "whole", is_flag=True, help="Muted and resolved ones too.")
@_LIMIT
@click.option("--watch", is_flag=True, help="Draw it anew every 5 s until interrupted.")
@click.pass_context
def patterns(context: click.Context, /, data: Path, form: str, *, watch: bool, **filters: Any) -> None:
    """What failing boots have in common that healthy ones have not; subcommands set what operations says of one."""
    if context.invoked_subcommand is not None:
        return
    from pe_collector.findings import follow  # noqa: PLC0415 - numpy is slow to load
    from pe_collector.findings.filters import parse_filters  # noqa: PLC0415

    asked, whole, limit = parse_filters(filters), bool(filters.get("whole")), filters.get("limit")

    def drawn(form: str) -> str:
        rows = follow.patterns_now(data, asked, time.time(), _say)
        if limit is not None and len(rows) > limit:
            _say(f"only the first {limit} patterns are shown; --limit shows more")
        return _text(rows[:limit], form, whole=whole)

    if watch:
        _watch(lambda: drawn("table"))
        return
    click.echo(drawn(form))


def _say(text: str) -> None:
    click.echo(output.clean(text), err=True)


def _text(rows: Sequence[dict[str, Any]], form: str, *, whole: bool) -> str:
    if form == "json":
        return json.dumps({"patterns": list(rows)}, indent=2)
    if form != "table":
        return output.FORMATS[form](rows)
    from pe_collector.findings.text import line_of  # noqa: PLC0415

    lines = [output.clean(line_of(row)) for row in rows if whole or not (row["muted"] or row["resolved"])]
    return "\n".join(lines) if lines else "no pattern"


def _watch(draw: Callable[[], str]) -> None:
    try:
        while True:
            text = draw()
            click.clear()
            click.echo(f"{output.when(time.time())}\n{text}")
            time.sleep(_WATCH_EVERY_S)
    except KeyboardInterrupt:
        return


@click.command()
@_ID
@DATA
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def why(pattern: str, data: Path, form: str) -> None:
    """All there is to say of a pattern: what was compared with what, what else it could be, what was ruled out."""
    from pe_collector.findings import follow, text  # noqa: PLC0415 - numpy is slow to load

    document = follow.explained(data, pattern, time.time(), _say)
    if form == "json":
        click.echo(json.dumps(document, indent=2))
        return
    click.echo("\n".join(output.clean(line) for line in text.page_of(document)))


def _set(data: Path, pattern: str, mark: str, **said: Any) -> None:
    from pe_collector.findings import follow  # noqa: PLC0415
    from pe_collector.findings.marks import Mark, Setting  # noqa: PLC0415

    whole = follow.mark(data, pattern, Setting(Mark(mark), who=_who(), **said), time.time())
    click.echo(f"{whole}: {mark}")


@patterns.command()
@_ID
@DATA
@_NOTE
def ack(pattern: str, data: Path, note: str) -> None:
    """Somebody has seen it and looks after it."""
    _set(data, pattern, "ack", note=note)


@patterns.command()
@_ID
@DATA
@_NOTE
def resolve(pattern: str, data: Path, note: str) -> None:
    """It is solved; a failure after now opens it again."""
    _set(data, pattern, "resolve", note=note)


@patterns.command()
@_ID
@DATA
@click.option("--until", "for_s", type=Since(ahead=True), metavar="2h", help="Until so much later [for good].")
@_NOTE
def mute(pattern: str, data: Path, for_s: float | None, note: str) -> None:
    """Do not list it for a while."""
    _set(data, pattern, "mute", until_s=for_s, note=note)


@patterns.command()
@_ID
@click.argument("text")
@DATA
@_NOTE
def label(pattern: str, text: str, data: Path, note: str) -> None:
    """Give it a name of its own; an empty one takes it away."""
    _set(data, pattern, "label", value=text, note=note)


@patterns.command()
@_ID
@click.argument("into", metavar="INTO")
@DATA
@_NOTE
def merge(pattern: str, into: str, data: Path, note: str) -> None:
    """Show it as a part of another pattern."""
    _set(data, pattern, "merge", value=into, note=note)


class TimeOfChange(Since):
    """A moment as in `--since`, or a time of day: 10:00 is the last 10:00 in UTC that has passed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Unix seconds."""
        try:
            of_day = dt.time.fromisoformat(value) if isinstance(value, str) and ":" in value[:3] else None
        except ValueError:
            of_day = None
        if of_day is None:
            return super().convert(value, param, ctx)
        now = dt.datetime.now(dt.UTC)
        moment = dt.datetime.combine(now.date(), of_day, of_day.tzinfo or dt.UTC)
        return (moment if moment <= now else moment - dt.timedelta(days=1)).timestamp()


class Ledger(click.Group):
    """Its list is the question about changes, with the words that all questions know."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        return sorted({*super().list_commands(ctx), "list"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command of its own, else the question."""
        if cmd_name != "list":
            return super().get_command(ctx, cmd_name)
        from pe_collector.cli_questions import command_of  # noqa: PLC0415 - SQLAlchemy is slow to load
        from pe_collector.questions.found import CHANGES  # noqa: PLC0415

        return command_of(CHANGES)


@click.group(cls=Ledger)
def changes() -> None:
    """The ledger of changes: what somebody did to the network, a server or an image."""


@changes.command("add")
@click.argument("text")
@DATA
@click.option("--at", "at_s", type=TimeOfChange(), metavar="2h|TIME", help="How long ago, or when [now].")
@click.option("--subnet", default="", metavar="PREFIX", help="Where; everywhere without it.")
@click.option("--server", default="", help="At which server.")
@click.option("--who", default="", help="Who did it [you].")
def add(text: str, data: Path, at_s: float | None, **told: str) -> None:
    """Write a change down; it is shown with patterns that begin near it."""
    from pe_collector import audit  # noqa: PLC0415
    from pe_collector.findings.changes import Change, add_change  # noqa: PLC0415

    now_s = time.time()
    change = Change(now_s if at_s is None else at_s, text, told["subnet"], told["server"], told["who"] or _who())
    with writing(data) as connection:
        add_change(connection, change, now_s)
        audit.record(connection, audit.by_command(now_s, "changes add", change.subnet or change.server, text))
    click.echo(f"noted at {output.when(change.at_s)}")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # No such user, as in some containers.
        return ""
