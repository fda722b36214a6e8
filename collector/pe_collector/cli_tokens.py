"""Commands for the tokens that boot images send with and people ask with, and for the log of what people did."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT, SINCE, Since, reading, writing
from pe_collector.roles import Role

_MOMENTS = ("created", "expires", "revoked", "quarantined", "last_used")


@click.group()
def tokens() -> None:
    """Tokens that let boot images send reports, and people ask."""


@tokens.command("new")
@DATA
@click.option("--role", type=click.Choice([str(role) for role in Role]), default=str(Role.INGEST), show_default=True)
@click.option("--name", default="", help="What or who it is for, for example a site, an image, a person.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=90.0, show_default=True)
def new_token(data: Path, role: str, name: str, days: float) -> None:
    """Make a token and print it: it cannot be shown again."""
    from pe_collector import audit as log  # noqa: PLC0415
    from pe_collector import tokens as ledger  # noqa: PLC0415

    now_s = time.time()
    with writing(data) as connection:
        made = ledger.new_token(connection, name, now_s, days, Role(role))
        entry = log.by_command(now_s, "tokens new", made.partition(".")[0], f"{role} {name} {days:g} days")
        log.record(connection, entry)
    click.echo(made)


@tokens.command("list")
@DATA
@FORMAT
def list_tokens(data: Path, form: str) -> None:
    """All tokens, with their last use."""
    from pe_collector import tokens as ledger  # noqa: PLC0415

    with reading(data) as connection:
        rows = ledger.list_tokens(connection)
    if form == "table":
        rows = [row | {name: output.when(row[name]) for name in _MOMENTS} for row in rows]  # type: ignore[arg-type]
    click.echo(output.FORMATS[form](rows))


@tokens.command("revoke")
@click.argument("token_id")
@DATA
def revoke_token(token_id: str, data: Path) -> None:
    """Refuse a token from now on."""
    from pe_collector import audit as log  # noqa: PLC0415
    from pe_collector import tokens as ledger  # noqa: PLC0415

    now_s = time.time()
    with writing(data) as connection:
        ledger.revoke_token(connection, token_id, now_s)
        log.record(connection, log.by_command(now_s, "tokens revoke", token_id))
    click.echo(f"{token_id} is revoked")


@tokens.command("rotate")
@click.argument("token_id")
@DATA
@click.option("--overlap-days", type=click.FloatRange(min=0), default=14.0, show_default=True)
def rotate_token(token_id: str, data: Path, overlap_days: float) -> None:
    """Make the successor of a token and print it; the old one is good for the overlap."""
    from pe_collector import audit as log  # noqa: PLC0415
    from pe_collector import tokens as ledger  # noqa: PLC0415

    now_s = time.time()
    with writing(data) as connection:
        made = ledger.rotate_token(connection, token_id, now_s, overlap_days)
        detail = f"successor {made.partition('.')[0]}, overlap {overlap_days:g} days"
        log.record(connection, log.by_command(now_s, "tokens rotate", token_id, detail))
    click.echo(made)


@tokens.command("quarantine")
@click.argument("token_id")
@DATA
@click.option("--since", "since_s", type=Since(), metavar="2h", help="Hide what it sent since.")
@click.option("--undo", is_flag=True, help="Show it again, and take reports with it.")
def quarantine_token(token_id: str, data: Path, since_s: float | None, *, undo: bool) -> None:
    """Hide what a token sent from every question, pattern and page, and take nothing more with it."""
    from pe_collector import audit as log  # noqa: PLC0415
    from pe_collector import quarantine  # noqa: PLC0415

    if undo == (since_s is not None):
        raise click.UsageError("either --since, for example --since 2h, or --undo")
    now_s = time.time()
    with writing(data) as connection:
        # Written down first: a change that is cut off half way stands there too.
        word = "undo" if undo else f"since {output.when(since_s)}"
        log.record(connection, log.by_command(now_s, "tokens quarantine", token_id, word))
        reports = (
            quarantine.lift(connection, token_id, now_s)
            if since_s is None
            else quarantine.hide(connection, token_id, since_s, now_s)
        )
    click.echo(f"{reports} reports of {token_id} are {'shown again' if undo else 'hidden'}")


@click.group()
def audit() -> None:
    """What people changed, by command and by HTTP."""


@audit.command("list")
@DATA
@FORMAT
@SINCE
def list_audit(data: Path, form: str, since_s: float) -> None:
    """When, who, from where, what, on what, and how it ended; the newest first."""
    from pe_collector import audit as log  # noqa: PLC0415

    with reading(data) as connection:
        rows = log.entries(connection, since_s)
    if form == "table":
        rows = [row | {"at": output.when(row["at"])} for row in rows]
    click.echo(output.FORMATS[form](rows))
