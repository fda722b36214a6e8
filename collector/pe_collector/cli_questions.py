"""The rows of QUESTIONS as commands: `pe-collector subnets --since 2h --format csv`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pe_collector.cli_options import DATA, FORMAT, PARQUET, reading

if TYPE_CHECKING:
    from pe_collector.questions import Answer, Question


class Asking(click.Group):
    """A group whose commands are its own and one for each question; the table is read only when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        from pe_collector.questions import QUESTIONS  # noqa: PLC0415 - SQLAlchemy is slow to load

        return sorted({*super().list_commands(ctx), *(q.name for q in QUESTIONS if not q.of_its_own)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command of its own, else the question of this name."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        from pe_collector.questions import question_named  # noqa: PLC0415

        question = question_named(cmd_name)
        return command_of(question) if question and not question.of_its_own else None


class _Source(NamedTuple):
    """What is asked: a collector, or what it exported."""

    data: Path
    parquet: Path | None


def command_of(question: Question) -> click.Command:
    """The command that asks this question."""

    def run(data: Path, form: str, parquet: Path | None, *, watch: bool, **words: Any) -> None:
        _run(question, _Source(data, parquet), form, (watch, words))

    run.__doc__ = question.summary
    command: Any = run
    for decorate in (*_words(question), _WATCH, FORMAT, PARQUET, DATA):
        command = decorate(command)
    made: click.Command = click.command(question.name, help=question.summary)(command)
    return made


_WATCH = click.option("--watch", is_flag=True, help="Ask again every two seconds, until Ctrl-C.")


def _words(question: Question) -> list[Callable[[Any], Any]]:
    """Options for the filters and the question's own parameters; the leading one is an argument."""
    from pe_collector.questions import LIMIT, WORDS  # noqa: PLC0415

    made: list[Callable[[Any], Any]] = []
    for name, text in reversed(WORDS.items()):
        default = f" [{question.since}]" if name == "since" and question.since else ""
        made.append(click.option(f"--{name}", help=text + default))
    for parameter in (LIMIT, *question.parameters):
        if parameter.leading:
            made.append(click.argument(parameter.name, nargs=-1, required=parameter.needed, callback=_joined))
        else:
            made.append(click.option(f"--{parameter.name}", type=parameter.kind, help=parameter.summary))
    return made


def _joined(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> str:
    return " ".join(words)


def _run(question: Question, source: _Source, form: str, asked: tuple[bool, dict[str, Any]]) -> None:
    from pe_collector.questions.forms import FORMATS, fitted  # noqa: PLC0415

    watch, words = asked
    if watch:
        from pe_collector.watching import watch as redraw  # noqa: PLC0415 - rich is slow to load

        def drawn(width: int) -> str:
            answer = _answer(question, source, words)
            return fitted(answer, width) if form == "table" else FORMATS[form](answer)

        redraw(drawn)
        return
    answer = _answer(question, source, words)
    click.echo(FORMATS[form](answer))
    if answer.cut:
        click.echo(f"only the first {len(answer.rows)} rows are shown; --limit shows more", err=True)


def _answer(question: Question, source: _Source, words: dict[str, Any]) -> Answer:
    from pe_collector.questions import ask, connected  # noqa: PLC0415

    given = {name: value for name, value in words.items() if value is not None}
    if source.parquet is not None:
        from pe_collector.analytics.duck import ask_export  # noqa: PLC0415 - an extra

        return ask_export(source.parquet, question, given)
    _prepare(question, source.data)
    with connected(source.data) as connection:
        return ask(connection, question, given)


def _prepare(question: Question, data: Path) -> None:
    if question.prepare is None:
        return
    from pe_collector.store import database  # noqa: PLC0415

    with reading(data) as reader:
        step = question.prepare(reader, time.time())
    with closing(database.open_writer(data / database.FILE_NAME)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        step(writer)
        writer.execute("COMMIT")
