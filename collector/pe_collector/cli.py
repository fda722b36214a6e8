"""The command line: reads options, calls one function, prints one result."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from pe_agent.command import run_command

from pe_collector import (
    __version__,
    cli_ask,
    cli_carry,
    cli_patterns,
    cli_rules,
    cli_serve,
    cli_store,
    cli_tokens,
    cli_upkeep,
)
from pe_collector.cli_load import loadgen
from pe_collector.cli_questions import Asking
from pe_collector.cli_sites import sites
from pe_collector.correlate import correlate


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code, having said on stderr what went wrong."""
    return run_command(main, arguments, "pe-collector")


class _Commands(Asking):
    """The commands; what the database has to say of itself is told in words."""

    def invoke(self, context: click.Context) -> Any:
        """Run one.

        Raises:
            StoreError: the database gave no answer.
        """
        try:
            return super().invoke(context)
        except sqlite3.Error as exc:
            from pe_collector.store.errors import in_words  # noqa: PLC0415 - protobuf comes with the package

            raise in_words(exc) from exc


@click.group(cls=_Commands, context_settings={"help_option_names": ["--help", "-h"]})
def main() -> None:
    """Take the reports of boot images, keep them, and find out what failing boots have in common."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"pe-collector {__version__}")


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
        context.invoke(cli_patterns.patterns, data=made, form="json" if once else "table", since_s=0.0)
        if not once:
            click.echo(f"Look around with --data {made}, for example: pe-collector machines --data {made}")
            context.invoke(cli_serve.serve, data=made, ingest="127.0.0.1:0")


_COMMANDS: tuple[click.Command, ...] = (
    cli_patterns.patterns,
    cli_patterns.why,
    cli_patterns.changes,
    correlate,
    cli_ask.show,
    cli_ask.sql,
    sites,
    cli_rules.rules,
    cli_carry.import_,
    cli_carry.decode,
    cli_carry.export,
    cli_serve.init,
    cli_serve.certificate,
    cli_serve.serve,
    cli_serve.check_config,
    cli_tokens.tokens,
    cli_tokens.audit,
    cli_upkeep.doctor,
    cli_upkeep.backup,
    cli_upkeep.restore,
    cli_upkeep.prune,
    cli_upkeep.rebuild_rates,
    cli_store.migrate,
    loadgen,
)
for _command in _COMMANDS:
    main.add_command(_command)
