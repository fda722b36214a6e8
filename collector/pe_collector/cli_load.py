"""`pe-collector loadgen`: reads options, makes load, prints one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from pe_agent.errors import Exit, UsageError
from pe_agent.trust import Trust, check_addresses, read_trust

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--agents", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Connections at once.")
@click.option("--reports", type=click.IntRange(1), default=1000, show_default=True, help="In all.")
@click.option("--rate", type=click.FloatRange(0), default=0.0, help="At most so many reports a second.")
@click.option("--log-bytes", type=click.IntRange(0, 4_000_000), default=200_000, show_default=True)
@click.option("--ramp", "ramp_s", type=click.FloatRange(0), default=0.0, help="Seconds over which the agents start.")
@click.option("--cut", type=click.FloatRange(0, 0.9), default=0.0, help="Share of streams that break and are resumed.")
@click.option("--give-up", "timeout_s", type=float, default=600.0, show_default=True, help="After so many seconds.")
@click.option("--collector", default="127.0.0.1:7443", show_default=True, metavar="HOST:PORT")
@click.option("--tls", is_flag=True, help="With TLS; without it loopback only.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default="pe-data", envvar="PE_COLLECTOR_DATA")
@click.option("--ca", type=_PATH, help="[ca.pem in the data folder]")
@click.option("--token-file", type=_PATH, help="[first.token in the data folder]")
@click.option("--acks", type=_PATH, required=True, help="Each acknowledged report id, at once, on a line of its own.")
def loadgen(acks: Path, collector: str, **told: Any) -> int:
    """Simulated agents send whole reports; ends with 30 when one of them was not acknowledged."""
    import asyncio  # noqa: PLC0415 - slow to load, as grpc is

    from pe_collector.loadgen import Load, run_load  # noqa: PLC0415

    trust = _trust(told.pop("data"), told.pop("ca"), told.pop("token_file"), tls=told.pop("tls"))
    check_addresses([collector], trust)
    load = Load(**told, seed=int.from_bytes(os.urandom(8), "big"))
    try:
        with acks.open("a", encoding="ascii", buffering=1) as file:
            tally = asyncio.run(run_load(collector, trust, load, lambda report_id: print(report_id, file=file)))
    except OSError as exc:
        raise UsageError(f"{acks}: {exc.strerror or exc}") from exc
    click.echo(tally.sentence())
    return Exit.HEALTHY if len(tally.took_s) == load.reports else Exit.NOT_DELIVERED


def _trust(data: Path, ca: Path | None, token_file: Path | None, *, tls: bool) -> Trust:
    path = token_file or data / "first.token"
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"token file {path}: {exc}; name one with --token-file") from exc
    return read_trust(str(ca or data / "ca.pem"), token, plain=not tls)
