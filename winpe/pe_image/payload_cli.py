"""The command `pe-image payload`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from pe_image import payload_python, payload_wheels
from pe_image.audit_cli import audit_command
from pe_image.errors import ImageError
from pe_image.payload import Ingredients, Payload, build, stub_path
from pe_image.payload_python import SYSTEM_ROOTS, Embeddable
from pe_image.payload_stub import build_stub
from pe_image.payload_target import Target, target_for
from pe_image.payload_zip import write_whole

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("payload")
@click.option("--python", "python_zip", type=_FILE, required=True, help="Embeddable package of python.org (zip).")
@click.option("--python-sha256", "sha256", default="", metavar="HEX", help="The hash that zip must have.")
@click.option("--roots", type=_FILE, default=SYSTEM_ROOTS, help=f"Trusted root certificates (PEM) [{SYSTEM_ROOTS}].")
@click.option("--wheels", "folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--fetch", "constraints", type=_FILE, metavar="CONSTRAINTS", help="Download the wheels first, with pip.")
@click.option("--stub-pdh", is_flag=True, help="For images without pdh.dll: build a stub of it.")
@click.option("--full", is_flag=True, help="Leave nothing of Python out, pack nothing.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="ZIP")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def payload_command(output: Path, form: str, **told: Any) -> None:
    """Build what is put into boot images: Python for Windows with the agent."""
    try:
        ingredients = _ingredients(**told)
        payload = build(ingredients)
        write_whole(output, payload.octets)
    except (ImageError, OSError) as exc:
        raise click.ClickException(str(exc)) from exc
    if form == "json":
        click.echo(_json(payload, output))
        return
    _tell_signatures(ingredients.python, pinned=bool(told["sha256"]))
    _tell_payload(ingredients, payload, output)


def _ingredients(python_zip: Path, sha256: str, roots: Path, folder: Path, **told: Any) -> Ingredients:
    python = payload_python.read_embeddable(python_zip, payload_python.load_roots(roots), sha256)
    target = target_for(python.architecture)
    short = python.version.rpartition(".")[0]
    if told["constraints"]:
        folder.mkdir(parents=True, exist_ok=True)
        payload_wheels.fetch_wheels(folder, target, short, told["constraints"])
    names = payload_wheels.choose_wheels(folder, target, short)
    wheels = tuple(payload_wheels.read_wheel(name) for name in names)
    extra = {stub_path(wheels): build_stub(target.architecture)} if told["stub_pdh"] else {}
    return Ingredients(target, python, wheels, extra, full=told["full"])


def _json(payload: Payload, output: Path) -> str:
    """The manifest without its list of files, and the sizes in octets."""
    sizes = {"output": str(output), "packed_bytes": len(payload.octets), "unpacked_bytes": payload.unpacked_bytes}
    return json.dumps(sizes | {name: value for name, value in payload.manifest.items() if name != "files"})


def _tell_signatures(python: Embeddable, *, pinned: bool) -> None:
    counts: dict[tuple[str, str, str], int] = {}
    for signature in python.signatures.values():
        key = (signature.standing, signature.signer, signature.root)
        counts[key] = counts.get(key, 0) + 1
    for (standing, signer, root), count in sorted(counts.items()):
        click.echo(f"signature {standing}: {count} files by {signer}, root {root}")
    unsigned = ", ".join(python.unsigned_files()) or "none"
    click.echo(f"without signature: {unsigned}; the pin {'covers' if pinned else 'would cover'} them")
    click.echo("not checked: revocation, timestamp, validity periods")


def _tell_payload(ingredients: Ingredients, payload: Payload, output: Path) -> None:
    parts = ", ".join(f"{wheel.name.project} {wheel.name.version}" for wheel in ingredients.wheels)
    target = ingredients.target
    click.echo(f"Python {ingredients.python.version} for {target.architecture}, {parts}; {_ways(target)}")
    packed, unpacked = len(payload.octets) / 1e6, payload.unpacked_bytes / 1e6
    shares = ", ".join(f"{title} {octets / 1e6:.1f} MB" for title, octets in payload.shares().items())
    click.echo(f"wrote {output}: {packed:.1f} MB, {unpacked:.1f} MB unpacked ({shares})")


def _ways(target: Target) -> str:
    return "sends by HTTPS upload" if target.transport == "https" else "sends by gRPC, else HTTPS upload"


COMMANDS = (payload_command, audit_command)
