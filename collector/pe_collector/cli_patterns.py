"""Commands that look for what failing boots have in common."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT, SINCE, reading


@click.command()
@DATA
@FORMAT
@SINCE
def patterns(data: Path, form: str, since_s: float) -> None:
    """What failing boots have in common that healthy ones have not."""
    from pe_collector import boots  # noqa: PLC0415 - only this command needs it
    from pe_collector import patterns as statistic  # noqa: PLC0415

    with reading(data) as connection:
        found = statistic.find_patterns(boots.boots_since(connection, since_s))
    if form == "table":
        lines = (output.clean(statistic.pattern_sentence(pattern)) for pattern in found)
        click.echo("\n".join(lines) if found else "no pattern")
        return
    rows = [statistic.pattern_to_json(pattern) for pattern in found]
    click.echo(json.dumps({"patterns": rows}, indent=2) if form == "json" else output.FORMATS[form](rows))
