"""The command line: reads options, calls one function, prints one result."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import click
from pe_agent.errors import Exit, PeError

from pe_collector import __version__, cli_ask, cli_carry, cli_patterns, cli_tokens, output
from pe_collector.cli_load import loadgen
from pe_collector.cli_options import DATA
from pe_collector.correlate import correlate

DEFAULT_INGEST = "0.0.0.0:7443"


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


@click.group(context_settings={"help_option_names": ["--help", "-h"]})
def main() -> None:
    """Take the reports of boot images, keep them, and find out what failing boots have in common."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"pe-collector {__version__}")


@main.command()
@DATA
def init(data: Path) -> None:
    """Make the data folder: private CA, server certificate, database and the first token."""
    from pe_collector import trust  # noqa: PLC0415 - cryptography is slow to load

    trust.init(data, time.time())
    click.echo(f"{data} is ready. Into the boot image go {data / trust.CA} and {data / trust.FIRST_TOKEN}.")


@main.command()
@DATA
@click.option("--ingest", default=DEFAULT_INGEST, show_default=True, metavar="HOST:PORT", help="Port 0: any free one.")
@click.option("--upload", metavar="HOST:PORT", help="Take reports by HTTPS too, from agents without gRPC.")
@click.option("--plain", is_flag=True, help="Without TLS; loopback only.")
def serve(data: Path, ingest: str, upload: str | None, *, plain: bool) -> None:
    """Take reports until stopped."""
    from pe_collector import server  # noqa: PLC0415 - grpc is slow to load
    from pe_collector.listen import Listen  # noqa: PLC0415

    uploads = Listen.parse(upload, plain=plain) if upload else None
    server.serve(data, server.Listeners(Listen.parse(ingest, plain=plain), uploads), click.echo)


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
            context.invoke(serve, data=made, ingest="127.0.0.1:0", upload=None, plain=False)


_COMMANDS: tuple[click.Command, ...] = (
    cli_patterns.patterns,
    correlate,
    cli_ask.machines,
    cli_ask.show,
    cli_ask.silence,
    cli_ask.sql,
    cli_carry.import_,
    cli_carry.decode,
    cli_carry.export,
    cli_tokens.tokens,
    loadgen,
)
for _command in _COMMANDS:
    main.add_command(_command)
