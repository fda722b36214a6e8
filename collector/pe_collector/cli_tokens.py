"""Commands for the tokens that boot images send with."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT, reading, writing


@click.group()
def tokens() -> None:
    """Tokens that let boot images send reports."""


@tokens.command("new")
@DATA
@click.option("--name", default="", help="What it is for, for example a site or image.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=90.0, show_default=True)
def new_token(data: Path, name: str, days: float) -> None:
    """Make a token and print it: it cannot be shown again."""
    from pe_collector import tokens as ledger  # noqa: PLC0415

    with writing(data) as connection:
        click.echo(ledger.new_token(connection, name, time.time(), days))


@tokens.command("list")
@DATA
@FORMAT
def list_tokens(data: Path, form: str) -> None:
    """All tokens, with their last use."""
    from pe_collector import tokens as ledger  # noqa: PLC0415

    with reading(data) as connection:
        rows = ledger.list_tokens(connection)
    if form == "table":
        moments = ("created", "expires", "revoked", "last_used")
        rows = [row | {name: output.when(row[name]) for name in moments} for row in rows]  # type: ignore[arg-type]
    click.echo(output.FORMATS[form](rows))


@tokens.command("revoke")
@click.argument("token_id")
@DATA
def revoke_token(token_id: str, data: Path) -> None:
    """Refuse a token from now on."""
    from pe_collector import tokens as ledger  # noqa: PLC0415

    with writing(data) as connection:
        ledger.revoke_token(connection, token_id, time.time())
    click.echo(f"{token_id} is revoked")
