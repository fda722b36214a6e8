"""The command that moves a collector's rows from one engine to another."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--from", "source", required=True, metavar="URL", help="sqlite:///PATH or postgresql://USER@HOST/DATABASE"
)
@click.option("--to", "target", required=True, metavar="URL", help="An empty database, or one that this was begun in.")
def migrate(source: str, target: str) -> None:
    """Move all rows into another database, and prove them the same there.

    Stop the collector first; a move that was cut off goes on when it is called again.
    """
    from pe_collector.store.moving import move  # noqa: PLC0415 - SQLAlchemy is slow to load
    from pe_collector.store.where import SQLITE, parse_store  # noqa: PLC0415

    rows, place = 0, parse_store(target)
    for table in move(parse_store(source), place):
        click.echo(f"{table.table:24} {table.rows:9} rows, {table.copied:9} copied  sha256 {table.sha256[:16]}")
        rows += table.rows
    # A password belongs into no file that is read so often.
    said = f"sqlite:///{place.name}" if place.engine == SQLITE else place.shown
    click.echo(f"{rows} rows are the same on both sides. Next: store = {said!r} in collector.toml, then serve.")
