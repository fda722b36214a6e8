"""The command `pe-image audit`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pe_image.audit import Problem
from pe_image.audit_image import Source, audit_image, choose_image, read_payload, take_missing
from pe_image.errors import ImageError
from pe_image.imaging import this_imaging
from pe_image.payload import with_files
from pe_image.payload_zip import write_whole
from pe_image.wim import Image

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_Rows = Sequence[tuple[Image, Sequence[Problem]]]


def _place(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Source | None:
    if text is None:
        return None
    path, _, index = text.rpartition(":")
    if not path or not index.isdigit():
        raise click.BadParameter("WIM:INDEX is needed, for example install.wim:1")
    return Path(path), int(index)


@click.command("audit")
@click.argument("wim", type=_FILE)
@click.option("--payload", "payload_path", type=_FILE, required=True, help="The zip that `pe-image payload` wrote.")
@click.option("--index", type=click.IntRange(1), help="Only this image; otherwise all.")
@click.option("--take-from", "source", callback=_place, metavar="WIM:INDEX", help="A Windows of the same build.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The payload with what was taken.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def audit_command(context: click.Context, /, form: str, **told: Any) -> None:
    """Say which DLLs and names the images of a WIM lack for a payload; exit code 1 when one that is needed."""
    if bool(told["source"]) != bool(told["output"]):
        raise click.UsageError("--take-from and --output go together")
    try:
        rows = _audited(**told)
    except (ImageError, OSError) as exc:
        raise click.ClickException(str(exc)) from exc
    click.echo(_json(rows) if form == "json" else _text(rows))
    context.exit(1 if any(problem.needed for _, problems in rows for problem in problems) else 0)


def _audited(wim: Path, payload_path: Path, index: int | None, source: Source | None, output: Path | None) -> _Rows:
    images = [choose_image(wim, index)] if index else this_imaging().images(wim)
    payload = read_payload(payload_path)
    if source and output:
        taken = {name: octets for i in images for name, octets in take_missing(wim, i, payload, source).items()}
        write_whole(output, with_files(payload, taken))
        click.echo(f"wrote {output}; taken: {', '.join(sorted(taken)) or 'nothing'}", err=True)
        payload |= taken
    return [(image, audit_image(wim, image, payload)) for image in images]


def _json(rows: _Rows) -> str:
    images: list[Mapping[str, object]] = [
        {"index": i.index, "name": i.name, "problems": [asdict(p) for p in problems]} for i, problems in rows
    ]
    return json.dumps({"images": images})


def _text(rows: _Rows) -> str:
    return "\n".join(line for image, problems in rows for line in _image_lines(image, problems))


def _image_lines(image: Image, problems: Sequence[Problem]) -> list[str]:
    needed = sum(problem.needed for problem in problems)
    verdict = f"{needed} needed, {len(problems) - needed} optional missing" if problems else "lacks nothing"
    lines = [f"image {image.index} {image.name} ({image.architecture or 'architecture not known'}): {verdict}"]
    for problem in problems:
        weight = "" if problem.needed else " (optional)"
        by = f", for {', '.join(problem.by)} at {problem.when}" if problem.by else ""
        lines.append(f"  {problem.lack} {problem.name}{weight}{by}{': ' if problem.detail else ''}{problem.detail}")
        if problem.fix and problem.needed:
            lines.append(f"      {problem.fix}")
    return lines
