"""Commands that set a collector up, check what it is told, and run it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT


@click.command()
@DATA
def init(data: Path) -> None:
    """Make the data folder: private CA, server certificate, database and the first tokens."""
    from pe_collector import trust  # noqa: PLC0415 - cryptography is slow to load

    trust.init(data, time.time())
    click.echo(f"{data} is ready. Into the boot image go {data / trust.CA} and {data / trust.FIRST_TOKEN};")
    click.echo(f"{data / trust.ADMIN_TOKEN} lets you sign in as admin where the ops listener asks for it. Next:")
    click.echo(f"  pe-collector serve --data {data} --ingest 0.0.0.0:7443")
    click.echo(
        f"  pe-agent report --collector COLLECTOR:7443 --ca {data / trust.CA} --token-file {data / trust.FIRST_TOKEN}"
    )


@click.group()
def certificate() -> None:
    """The certificates that `init` made."""


@certificate.command()
@DATA
def renew(data: Path) -> None:
    """Sign ca.pem and server.pem anew, with the same keys and names, for ten years."""
    from pe_collector import renewal, trust  # noqa: PLC0415 - cryptography is slow to load

    made = renewal.renew(data, time.time())
    click.echo(f"{data / trust.CERTIFICATE} and {data / trust.CA} are good until {made.until}. Next:")
    click.echo("  restart pe-collector serve: until then it shows the old certificate")
    click.echo(f"  put the new {trust.CA} into the boot images before {made.images_until}, when that in them ends")


@click.command()
@DATA
@click.option("--ingest", metavar="HOST:PORT", help="Where reports come in [0.0.0.0:7443]; port 0: any free one.")
@click.option("--upload", metavar="HOST:PORT", help="Take reports by HTTPS too, from agents without gRPC.")
@click.option("--plain", is_flag=True, default=None, help="Take reports without TLS; loopback only.")
@click.option("--ops", metavar="HOST:PORT", help="Where people ask [127.0.0.1:7480]; with TLS off loopback.")
@click.option("--forward-to", multiple=True, metavar="HOST:PORT", help="Pass reports on to this hub (repeat).")
@click.option("--forward-ca", metavar="FILE", help="The hub's ca.pem.")
@click.option("--forward-token-file", metavar="FILE", help="A token of role leaf that the hub made.")
@click.option("--no-ops", "ops", flag_value="", help="Answer nobody.")
def serve(data: Path, **flags: str | bool | tuple[str, ...] | None) -> None:
    """Take reports until stopped. What no option says stands in collector.toml, see check-config."""
    from pe_collector import server, settings  # noqa: PLC0415 - grpc is slow to load

    server.serve(data, settings.load(data, os.environ, flags), click.echo)


@click.command("check-config")
@DATA
@FORMAT
def check_config(data: Path, form: str) -> None:
    """Every setting, its value and where that comes from; exit code 2 when one cannot be meant."""
    from pe_collector import settings  # noqa: PLC0415 - as above

    click.echo(output.FORMATS[form](settings.described(data, os.environ)))
