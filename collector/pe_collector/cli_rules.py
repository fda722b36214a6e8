"""Commands about signatures: which rows there are, and what rows make of a log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT, SINCE, reading

if TYPE_CHECKING:
    from pe_agent.signatures import Exclusion, Signature

_FILE = click.Path(path_type=Path, exists=True)
_OTHERS = click.option(
    "--signatures", "other", type=click.Path(path_type=Path, dir_okay=False), help="Rows of this file instead (TOML)."
)


@click.group()
def rules() -> None:
    """The signatures: rows that say which marks convict which cause, and who must act."""


@rules.command("list")
@FORMAT
@_OTHERS
def list_(form: str, other: Path | None) -> None:
    """All rows, in the order in which they are tried: causes, then what excludes one."""
    from pe_agent import signatures  # noqa: PLC0415 - regular expressions take their time

    known = signatures.load(other)
    rows = [
        *(
            {**_told(row), "owner": str(row.owner), "status": str(row.status)}
            | {"stage": row.stage.name.lower(), "confidence": row.confidence}
            for row in known.signatures
        ),
        *({**_told(row), "status": "excluded"} for row in known.exclusions),
    ]
    click.echo(output.FORMATS[form](rows))
    counts = f"{len(known.signatures)} causes, {len(known.exclusions)} rows that exclude one"
    click.echo(f"{counts}; SHA-256 {known.sha256.hex()}", err=True)


def _told(row: Signature | Exclusion) -> dict[str, object]:
    """What both kinds of rows say."""
    rest = {"owner": "", "status": "", "stage": "", "confidence": None, "mark": str(row.mark)}
    return {"id": row.id, **rest, "title": row.title.template, "source": row.source}


@rules.command("test")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@_OTHERS
def test(paths: tuple[Path, ...], form: str, other: Path | None) -> None:
    """What the rows make of logs, folders or zip archives of logs; nothing is stored."""
    from pe_agent import explain, render, signatures  # noqa: PLC0415

    text = render.render_explanation(explain.explain_paths(paths, signatures.load(other)), form)
    click.echo(text if form == "json" else "\n".join(output.clean(line) for line in text.splitlines()))


@rules.command()
@DATA
@FORMAT
@SINCE
@click.option("--limit", "most", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="The newest.")
@_OTHERS
def compare(data: Path, form: str, since_s: float, most: int, other: Path | None) -> None:
    """Stored reports of which the rows change the verdict, or whose log is gone; nothing is stored."""
    from pe_agent import signatures  # noqa: PLC0415

    from pe_collector import rejudging  # noqa: PLC0415

    known = signatures.load(other)
    with reading(data) as connection:
        rows = list(rejudging.compare(connection, known, since_s, most))
    counted = Counter(row["change"] for row in rows)
    shown = [row for row in rows if row["change"] != "same"]
    if form == "table":
        shown = [{**row, "received_at": output.when(row["received_at"])} for row in shown]
    click.echo(output.FORMATS[form](shown))
    judged = f"{len(rows)} report{'s' if len(rows) != 1 else ''}"
    said = f"{judged}: {counted['changed']} verdicts change, {counted['not judged']} have lost a log"
    click.echo(f"{said}; SHA-256 of the rows {known.sha256.hex()}", err=True)
