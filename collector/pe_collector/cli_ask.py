"""Commands that show one report, or ask in SQL."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pe_agent.errors import UsageError

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT, PARQUET, reading

if TYPE_CHECKING:
    from pe_collector.query import Answer


@click.command()
@click.argument("name", metavar="REPORT|CODE|MACHINE")
@DATA
@click.option("--format", "form", type=click.Choice(["text", "json", "jsonl"]), default="text")
@click.option("--log", "log_path", metavar="PATH", help="Write this log's octets to stdout instead.")
def show(name: str, data: Path, form: str, log_path: str | None) -> None:
    """A report: verdict, findings, observations, timeline, logs. Of a machine: its latest report."""
    from pe_collector import page, reports  # noqa: PLC0415 - protobuf is slow to load

    with reading(data) as connection:
        found = reports.find_reports(connection, name)
        if log_path is not None:
            log = reports.log_of(connection, found[0], log_path)
            sys.stdout.buffer.write(log.octets)
            problems = (*log.problems, *(() if log.intact else ("its sha256 does not agree, or none came with it",)))
            for problem in problems:
                click.echo(output.clean(f"{log.path}: {problem}"), err=True)
            return
        document = reports.report_document(connection, found[0])
    if form == "text":
        click.echo(page.report_page(document))
        if len(found) > 1:
            click.echo(f"\n{len(found) - 1} older: {' '.join(found[1:11])}")
    else:
        click.echo(json.dumps(document, indent=2 if form == "json" else None))


@click.command()
@click.argument("query")
@DATA
@FORMAT
@PARQUET
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Value of :NAME or $NAME (repeat).")
def sql(query: str, data: Path, form: str, parquet: Path | None, parameters: Sequence[str]) -> None:
    """Ask the database: one SELECT, at most 1 s and 1,000 rows. docs/sql.md has the views."""
    pairs = [parameter.partition("=") for parameter in parameters]
    if any(not (name and equals) for name, equals, _ in pairs):
        raise UsageError("--param: NAME=VALUE is needed")
    answer = _answer_of(query, data, parquet, {name: value for name, _, value in pairs})
    click.echo(output.FORMATS[form]([dict(zip(answer.columns, row, strict=True)) for row in answer.rows]))
    if answer.cut:
        click.echo(f"only the first {len(answer.rows)} rows are shown", err=True)


def _answer_of(query: str, data: Path, parquet: Path | None, parameters: Mapping[str, str]) -> Answer:
    if parquet is not None:
        from pe_collector.analytics.duck import ask_sql  # noqa: PLC0415 - an extra

        return ask_sql(parquet, query, parameters)
    from pe_collector.query import ask  # noqa: PLC0415 - only this command needs it

    with reading(data) as connection:
        return ask(connection, query, parameters)
