"""The command line: reads options, calls one function, prints one result."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pe_agent.errors import Exit, PeError, UsageError

from pe_collector import __version__, output
from pe_collector.cli_load import loadgen
from pe_collector.correlate import correlate

if TYPE_CHECKING:
    import sqlite3

DEFAULT_INGEST = "0.0.0.0:7443"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code, having said on stderr what went wrong."""
    try:
        answer = main.main(args=arguments, prog_name="pe-collector", standalone_mode=False)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return Exit.USAGE
    except click.Abort:
        click.echo("stopped", err=True)
        return Exit.INTERNAL
    except PeError as exc:
        click.echo(f"pe-collector: {output.clean(str(exc))}", err=True)
        return exc.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.HEALTHY
    return answer if isinstance(answer, int) else Exit.HEALTHY


class _Since(click.ParamType[float]):
    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Unix seconds that lie `2h` back."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhdw])", value)
        if match is None:
            self.fail(f"{value!r}: a number and s, m, h, d or w are needed, for example 2h", param, ctx)
        return time.time() - int(match[1]) * _SECONDS[match[2]]


_DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="pe-data",
    envvar="PE_COLLECTOR_DATA",
    show_default=True,
    help="The collector's folder (PE_COLLECTOR_DATA).",
)
_FORMAT = click.option("--format", "form", type=click.Choice(sorted(output.FORMATS)), default="table")
_SINCE = click.option("--since", "since_s", type=_Since(), default=0.0, metavar="2h", help="Only what came since.")


@click.group(context_settings={"help_option_names": ["--help", "-h"]})
def main() -> None:
    """Take the reports of boot images, keep them, and find out what failing boots have in common."""


main.add_command(correlate)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"pe-collector {__version__}")


@main.command()
@_DATA
def init(data: Path) -> None:
    """Make the data folder: private CA, server certificate, database and the first token."""
    from pe_collector import trust  # noqa: PLC0415 - cryptography is slow to load

    trust.init(data, time.time())
    click.echo(f"{data} is ready. Into the boot image go {data / trust.CA} and {data / trust.FIRST_TOKEN}.")


@main.command()
@_DATA
@click.option("--ingest", default=DEFAULT_INGEST, show_default=True, metavar="HOST:PORT", help="Port 0: any free one.")
@click.option("--upload", metavar="HOST:PORT", help="Take reports by HTTPS too, from agents without gRPC.")
@click.option("--plain", is_flag=True, help="Without TLS; loopback only.")
def serve(data: Path, ingest: str, upload: str | None, *, plain: bool) -> None:
    """Take reports until stopped."""
    from pe_collector import server  # noqa: PLC0415 - grpc is slow to load
    from pe_collector.listen import Listen  # noqa: PLC0415

    uploads = Listen.parse(upload, plain=plain) if upload else None
    server.serve(data, server.Listeners(Listen.parse(ingest, plain=plain), uploads), click.echo)


@main.command()
@_DATA
@_FORMAT
@_SINCE
def patterns(data: Path, form: str, since_s: float) -> None:
    """What failing boots have in common that healthy ones have not."""
    from pe_collector import boots  # noqa: PLC0415 - only this command needs it
    from pe_collector import patterns as statistic  # noqa: PLC0415

    with _reading(data) as connection:
        found = statistic.find_patterns(boots.boots_since(connection, since_s))
    if form == "table":
        lines = (output.clean(statistic.pattern_sentence(pattern)) for pattern in found)
        click.echo("\n".join(lines) if found else "no pattern")
        return
    rows = [statistic.pattern_to_json(pattern) for pattern in found]
    click.echo(json.dumps({"patterns": rows}, indent=2) if form == "json" else output.FORMATS[form](rows))


@main.command()
@_DATA
@_FORMAT
@_SINCE
def machines(data: Path, form: str, since_s: float) -> None:
    """Machines, the last seen first; `clashes` counts marks that others carry too."""
    from pe_collector import reports  # noqa: PLC0415 - protobuf is slow to load

    with _reading(data) as connection:
        rows = reports.machines(connection, since_s)
    if form == "table":
        rows = [row | {"last_seen": output.when(row["last_seen"])} for row in rows]
    click.echo(output.FORMATS[form](rows))


@main.command()
@click.argument("name", metavar="REPORT|CODE|MACHINE")
@_DATA
@click.option("--format", "form", type=click.Choice(["text", "json", "jsonl"]), default="text")
@click.option("--log", "log_path", metavar="PATH", help="Write this log's octets to stdout instead.")
def show(name: str, data: Path, form: str, log_path: str | None) -> None:
    """A report: verdict, findings, observations, timeline, logs. Of a machine: its latest report."""
    from pe_collector import page, reports  # noqa: PLC0415 - protobuf is slow to load

    with _reading(data) as connection:
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


@main.command()
@_DATA
@_FORMAT
@_SINCE
def silence(data: Path, form: str, since_s: float) -> None:
    """Machines that a WDS server saw booting and that never reported: how far each one came."""
    from pe_collector import server_side  # noqa: PLC0415 - only this command needs it

    with _reading(data) as connection:
        rows = server_side.silent_machines(connection, since_s)
    if form == "table":
        rows = [row | {name: output.when(row[name]) for name in ("booted", "last_seen")} for row in rows]
    click.echo(output.FORMATS[form](rows))


@main.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@_DATA
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


@main.command()
@click.argument("text", nargs=-1, required=True)
@_DATA
@click.option("--store", "keep", is_flag=True, help="Keep it as a report that was carried here by hand.")
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


@main.command()
@_DATA
@_SINCE
def export(data: Path, since_s: float) -> None:
    """Write all reports as JSON Lines, in the form that import reads."""
    from pe_collector import exporter  # noqa: PLC0415 - protobuf is slow to load

    with _reading(data) as connection:
        for line in exporter.export_reports(connection, since_s):
            click.echo(line)


@main.command()
@click.argument("query")
@_DATA
@_FORMAT
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Value of :NAME (repeat).")
def sql(query: str, data: Path, form: str, parameters: Sequence[str]) -> None:
    """Ask the database: one SELECT, at most 1 s and 1,000 rows. See the views `reports` and `boots`."""
    from pe_collector.query import ask  # noqa: PLC0415 - only this command needs it

    pairs = [parameter.partition("=") for parameter in parameters]
    if any(not (name and equals) for name, equals, _ in pairs):
        raise UsageError("--param: NAME=VALUE is needed")
    with _reading(data) as connection:
        answer = ask(connection, query, {name: value for name, _, value in pairs})
    click.echo(output.FORMATS[form]([dict(zip(answer.columns, row, strict=True)) for row in answer.rows]))
    if answer.cut:
        click.echo(f"only the first {len(answer.rows)} rows are shown", err=True)


@main.group()
def tokens() -> None:
    """Tokens that let boot images send reports."""


@tokens.command("new")
@_DATA
@click.option("--name", default="", help="What it is for, for example a site or image.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=90.0, show_default=True)
def new_token(data: Path, name: str, days: float) -> None:
    """Make a token and print it: it cannot be shown again."""
    from pe_collector import tokens as ledger  # noqa: PLC0415

    with _writing(data) as connection:
        click.echo(ledger.new_token(connection, name, time.time(), days))


@tokens.command("list")
@_DATA
@_FORMAT
def list_tokens(data: Path, form: str) -> None:
    """All tokens, with their last use."""
    from pe_collector import tokens as ledger  # noqa: PLC0415

    with _reading(data) as connection:
        rows = ledger.list_tokens(connection)
    if form == "table":
        moments = ("created", "expires", "revoked", "last_used")
        rows = [row | {name: output.when(row[name]) for name in moments} for row in rows]  # type: ignore[arg-type]
    click.echo(output.FORMATS[form](rows))


@tokens.command("revoke")
@click.argument("token_id")
@_DATA
def revoke_token(token_id: str, data: Path) -> None:
    """Refuse a token from now on."""
    from pe_collector import tokens as ledger  # noqa: PLC0415

    with _writing(data) as connection:
        ledger.revoke_token(connection, token_id, time.time())
    click.echo(f"{token_id} is revoked")


@main.command("demo")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder to make [a temporary one].")
@click.option("--once", is_flag=True, help="Print the patterns as JSON last and end.")
@click.pass_context
def demo_(context: click.Context, data: Path | None, *, once: bool) -> None:
    """Show a simulated fleet: for where no laboratory can be built."""
    from pe_collector import demo  # noqa: PLC0415 - only this command needs it

    with tempfile.TemporaryDirectory(prefix="pe-demo-") as folder:
        made = data or Path(folder) / "data"
        click.echo("No laboratory here: this is a simulated fleet, no machine was booted.")
        demo.fill(made, time.time(), click.echo)
        context.invoke(patterns, data=made, form="json" if once else "table", since_s=0.0)
        if not once:
            click.echo(f"Look around with --data {made}, for example: pe-collector machines --data {made}")
            context.invoke(serve, data=made, ingest="127.0.0.1:0", upload=None, plain=False)


main.add_command(loadgen)


@contextmanager
def _reading(data: Path) -> Iterator[sqlite3.Connection]:
    from pe_collector.store import database  # noqa: PLC0415 - protobuf comes with the package

    with closing(database.open_reader(data / database.FILE_NAME)) as connection:
        yield connection


@contextmanager
def _writing(data: Path) -> Iterator[sqlite3.Connection]:
    from pe_collector.store import database  # noqa: PLC0415

    with _reading(data):
        pass
    with closing(database.open_writer(data / database.FILE_NAME)) as connection:
        yield connection
