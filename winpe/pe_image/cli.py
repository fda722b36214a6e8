"""The command line of pe-image."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from pe_image import __version__
from pe_image.kinds import INI_PATH, Kind, kind_of, load_kinds
from pe_image.wim import Image, WimError, list_paths, read_file, read_images


@click.group(context_settings={"help_option_names": ["--help", "-h"]})
def main() -> None:
    """Look into boot images (WIM)."""


@main.command("list")
@click.argument("wim", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def list_(wim: Path, form: str) -> None:
    """List the images of a WIM, the kind of each, and the file that starts programs there."""
    try:
        rows = [(image, image_kind(wim, image)) for image in read_images(wim)]
    except WimError as exc:
        raise click.ClickException(str(exc)) from exc
    if form == "json":
        click.echo(json.dumps({"images": [_row(image, kind) for image, kind in rows]}))
        return
    for image, kind in rows:
        mark = "*" if image.bootable else " "
        title = kind.title if kind else "not a boot image"
        click.echo(f"{mark}{image.index:2} {image.architecture:6} {image.build:16} {image.name}: {title}")
    click.echo("* boots by default")


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"pe-image {__version__}")


def image_kind(wim: Path, image: Image) -> Kind | None:
    """The kind of one image; None when it starts nothing that is known."""
    paths = list_paths(wim, image.index)
    has_ini = INI_PATH.lower() in {path.lower() for path in paths}
    ini = decode_ini(read_file(wim, image.index, INI_PATH)) if has_ini else None
    return kind_of(ini, paths, load_kinds())


def decode_ini(octets: bytes) -> str:
    """winpeshl.ini as text: UTF-16 where a byte order mark says so, else ANSI."""
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return octets.decode("utf-16", "replace")
    return octets.decode("utf-8-sig", "replace")


def _row(image: Image, kind: Kind | None) -> dict[str, object]:
    return asdict(image) | {"kind": kind.id if kind else "", "hook": kind.hook if kind else ""}
