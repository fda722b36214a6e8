"""Commands that take in what was carried here and give out what is stored."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import click
from pe_agent.errors import Exit

from pe_collector import output
from pe_collector.cli_options import DATA, FOLDER, SINCE, Since, reading


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@DATA
@click.option("--utc-offset", type=int, default=0, metavar="MINUTES", help="Of servers whose logs do not say it [0].")
def import_(files: Sequence[Path], data: Path, utc_offset: int) -> int:
    """Store bundles from USB drives, JSON Lines, and logs of WDS and DHCP servers; what is damaged is named."""
    from pe_collector import importer  # noqa: PLC0415 - protobuf is slow to load
    from pe_collector.limits import Limits  # noqa: PLC0415

    failed = False
    for done in importer.import_files(data, files, time.time(), Limits(), utc_offset):
        if done.server_events is not None:
            click.echo(output.clean(f"{done.source}: {done.server_events} new events of a server"))
            continue
        failed = failed or not done.report_id
        state = "complete" if done.complete else "incomplete"
        name = f"report {done.report_id}: {done.frames} records, {state}" if done.report_id else "not imported"
        click.echo(output.clean("; ".join([f"{done.source}: {name}", *done.problems])))
    return Exit.WARNING if failed else Exit.HEALTHY


@click.command()
@click.argument("text", nargs=-1, required=True)
@DATA
@click.option("--keep", is_flag=True, help="Keep it as a report that was carried here by hand.")
@click.option("--format", "form", type=click.Choice(["text", "json", "jsonl"]), default="text")
def decode(text: Sequence[str], data: Path, form: str, *, keep: bool) -> int:
    """Show the report in the code that an agent leaves on its screen when it could not deliver."""
    from pe_agent import carried, render  # noqa: PLC0415 - only this command needs it

    report = carried.decode_report("".join(text))
    if not keep:
        click.echo(render.FORMATS[form](report, ""))
        return Exit.HEALTHY
    from pe_collector import importer  # noqa: PLC0415 - protobuf is slow to load

    done = importer.import_report(data, report, time.time())
    click.echo(output.clean("; ".join([f"report {done.report_id}: {done.frames} records", *done.problems])))
    return Exit.HEALTHY


@click.command()
@DATA
@SINCE
@click.option("--until", "until_s", type=Since(), default=None, metavar="1d", help="Only what came before then.")
@click.option("--parquet", type=FOLDER, help="Write Parquet files into this folder instead, one a table and day.")
def export(data: Path, since_s: float, until_s: float | None, parquet: Path | None) -> None:
    """Write all reports as JSON Lines, in the form that import reads; or the views as Parquet, for years of history."""
    end_s = math.inf if until_s is None else until_s
    if parquet is not None:
        from pe_collector.analytics.parquet import export as export_parquet  # noqa: PLC0415 - an extra

        done = export_parquet(data, parquet, since_s, end_s)
        click.echo(f"{done.written} files written with {done.rows} rows, {done.unchanged} had everything")
        return
    from pe_collector import exporter  # noqa: PLC0415 - protobuf is slow to load

    with reading(data) as connection:
        for line in exporter.export_reports(connection, since_s, end_s):
            click.echo(line)
