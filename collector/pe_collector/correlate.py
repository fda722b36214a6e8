"""The command that names causes in any table: reads options, calls the engine, prints one result."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pe_collector import output


@click.command()
@click.argument("table", metavar="TABLE.csv", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--outcome", required=True, metavar="COL", help="Column that says how it went.")
@click.option("--ok", required=True, metavar="VALUE", help="Outcome of a row that is well.")
@click.option("--time", default="", metavar="COL", help="Seconds or ISO 8601; without it the order of the rows.")
@click.option("--prefix", default="", metavar="COL", help="Column that holds an IP address, or a.b.c.d/n.")
@click.option("--machine", default="", metavar="COL", help="Without it each row is a machine of its own.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def correlate(table: Path, form: str, **columns: str) -> None:
    """What rows that went wrong have in common; every other column is an attribute, an empty cell is not known."""
    from pe_collector.engine import as_json, csv_table, explain, greedy  # noqa: PLC0415 - numpy is slow to load

    read = csv_table.read_table(table, csv_table.Roles(**columns))
    if read.unread:
        click.echo(f"{read.unread:,} of {read.addresses:,} addresses not understood", err=True)
    settings = csv_table.settings_for(read.table, greedy.Settings())
    found = explain.causes(read.table, settings)
    clock = as_json.iso if read.dated else as_json.plain
    if form == "json":
        rows = [as_json.as_json(cause, read.table, clock) for cause in found]
        click.echo(json.dumps({"patterns": rows}, indent=2, allow_nan=False))
        return
    lines = [output.clean(line) for cause in found for line in as_json.lines(cause, clock)]
    click.echo("\n".join(lines) if lines else "no pattern")
