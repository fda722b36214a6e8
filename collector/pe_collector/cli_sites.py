"""Commands about sites: which prefixes are where."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT, reading, writing


@click.group()
def sites() -> None:
    """Which prefixes are at which site? The longest prefix that holds an address decides."""


@sites.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@DATA
def import_(file: Path, data: Path) -> None:
    """Take prefixes from FILE, in place of those known: .toml, or columns with a header (prefix, site, VLAN, owner)."""
    from pe_collector import audit  # noqa: PLC0415
    from pe_collector import sites as known  # noqa: PLC0415 - protobuf comes with the store

    read = known.read_sites(file)
    with writing(data) as connection:
        placed = known.store_sites(connection, read)
        audit.record(connection, audit.by_command(time.time(), "sites import", str(file), f"{len(read)} prefixes"))
    click.echo(f"{len(read)} prefixes of {len({s.site for s in read})} sites; {placed} stored reports have a site now")


@sites.command("list")
@DATA
@FORMAT
def list_(data: Path, form: str) -> None:
    """All prefixes, in the order of their addresses."""
    from pe_collector import sites as known  # noqa: PLC0415

    with reading(data) as connection:
        click.echo(output.FORMATS[form](known.list_sites(connection)))
