"""Commands that keep a collector in good health: doctor, backup, restore, prune, rebuild-rates."""

from __future__ import annotations

import os
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pe_collector import output
from pe_collector.cli_options import DATA, FORMAT

_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 604800.0}
_PATH = click.Path(path_type=Path)


class Span(click.ParamType[float]):
    """A length of time, for example 90d; seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of `90d`, `12h`, `2w`."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,6})([hdw])", value)
        if match is None:
            self.fail(f"{value!r}: a number and h, d or w are needed, for example 90d", param, ctx)
        return int(match[1]) * _SECONDS[match[2]]


@click.command()
@DATA
@FORMAT
@click.pass_context
def doctor(context: click.Context, data: Path, form: str) -> None:
    """Is the collector well? Disk, clock, ports, certificates, schema, tokens, backup. Exit code 0, 10 or 20."""
    from pe_collector import settings  # noqa: PLC0415 - grpc is slow to load
    from pe_collector.upkeep import health  # noqa: PLC0415 - as is cryptography

    found = health.examine(data, settings.load(data, os.environ), time.time())
    click.echo(output.FORMATS[form]([asdict(row) for row in found]))
    context.exit(health.EXIT[health.worst(found)])


@click.command()
@click.argument("path", type=_PATH)
@DATA
@click.option("--with-keys", is_flag=True, help="Copy the CA, certificates, their keys and collector.toml too.")
@click.option("--keep", type=click.IntRange(min=1), help="Make a dated backup inside PATH, of which so many stay.")
def backup(path: Path, data: Path, keep: int | None, *, with_keys: bool) -> None:
    """Copy what is stored into a new folder PATH while reports come in, and prove the copy whole."""
    from pe_collector.upkeep import dated  # noqa: PLC0415
    from pe_collector.upkeep.backup import backup as make  # noqa: PLC0415

    now_s = time.time()
    copied = make(data, dated.dated(path, now_s) if keep else path, now_s, with_keys=with_keys)
    click.echo(f"{copied.path}: {copied.reports} reports, {copied.octets} octets, no damage, SHA-256 {copied.sha256}")
    if not with_keys:
        click.echo("Keys are not in it: --with-keys copies them too, and such a copy must be guarded like them.")
    for old in dated.keep_newest(path, keep) if keep else ():
        click.echo(f"removed {old}")


@click.command()
@click.argument("path", type=_PATH)
@DATA
@click.option("--replace", is_flag=True, help="A collector in the folder is set aside; it must not be running.")
def restore(path: Path, data: Path, *, replace: bool) -> None:
    """Make the folder the collector that PATH was copied from. Keys come along if they were backed up."""
    from pe_collector.upkeep.backup import restore as put_back  # noqa: PLC0415

    copied = put_back(path, data, time.time(), replace=replace)
    click.echo(f"{data} is back with {copied.reports} reports. Next: pe-collector doctor --data {data}")


@click.command()
@DATA
@FORMAT
@click.option("--keep-failures", "failures_s", type=Span(), default="365d", show_default=True)
@click.option("--keep-successes", "successes_s", type=Span(), default="90d", show_default=True)
@click.option("--keep-failure-logs", "failure_logs_s", type=Span(), default="90d", show_default=True)
@click.option("--keep-success-logs", "success_logs_s", type=Span(), default="7d", show_default=True)
def prune(data: Path, form: str, **keep: float) -> None:
    """Remove old reports and logs a few at a time, and say how many; reports come in meanwhile.

    A site's collector keeps what its hub does not have yet.
    """
    from pe_collector.upkeep import prune as pruning  # noqa: PLC0415

    pruned = pruning.prune(data, pruning.Keep(**keep), time.time())
    click.echo(output.FORMATS[form]([asdict(pruned)]))


@click.command()
@DATA
def rebuild_rates(data: Path) -> None:
    """Count boots and ports by hour and day anew from the reports; they come in meanwhile."""
    from pe_collector.upkeep.recount import recount  # noqa: PLC0415

    click.echo(f"counted anew: {recount(data, time.time())} days")
