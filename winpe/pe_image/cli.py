"""The command line of pe-image."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from pe_image import __version__, inject_cli, payload_cli
from pe_image.errors import ImageError
from pe_image.imaging import this_imaging
from pe_image.look import Look, look
from pe_image.wim import Image


@click.group(context_settings={"help_option_names": ["--help", "-h"]})
def main() -> None:
    """Make boot images (WIM) report their boots, and look into them."""


for _command in (*inject_cli.COMMANDS, *payload_cli.COMMANDS):
    main.add_command(_command)


@main.command("list")
@click.argument("wim", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def list_(wim: Path, form: str) -> None:
    """List the images of a WIM, the kind of each, and the file that starts programs there."""
    try:
        rows = _rows(wim)
    except ImageError as exc:
        raise click.ClickException(str(exc)) from exc
    if form == "json":
        click.echo(json.dumps({"images": [_row(image, seen) for image, seen in rows]}))
        return
    for image, seen in rows:
        mark = "*" if image.bootable else " "
        title = seen.kind.title if seen.kind else "not a boot image"
        build = f", agent injected as image build {seen.stamp.image_build}" if seen.stamp else ""
        click.echo(f"{mark}{image.index:2} {image.architecture:6} {image.build:16} {image.name}: {title}{build}")
    click.echo("* boots by default")


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"pe-image {__version__}")


def _rows(wim: Path) -> list[tuple[Image, Look]]:
    imaging = this_imaging()
    rows = []
    for image in imaging.images(wim):
        with imaging.tree(wim, image.index) as tree:
            rows.append((image, look(tree)))
    return rows


def _row(image: Image, seen: Look) -> dict[str, object]:
    kind, stamp = seen.kind, seen.stamp
    return asdict(image) | {
        "kind": kind.id if kind else "",
        "hook": kind.hook if kind else "",
        "image_build": stamp.image_build if stamp else "",
        "payload_sha256": stamp.payload_sha256 if stamp else "",
    }
